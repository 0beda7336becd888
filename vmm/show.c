/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "vmm/completion.h"
#include "vmm/log.h"
#include "vmm/manual.h"
#include "vmm/offline.h"
#include "vmm/show.h"

static void print_size(FILE *f, u64 len)
{
	static const char *const unit[] = { "B  ", "KiB", "MiB", "GiB", "TiB" };
	unsigned u = 0;

	while (u + 1 < ARRAY_SIZE(unit) && len >= 1024 && len % 1024 == 0) {
		len /= 1024;
		u++;
	}
	fprintf(f, "%7llu %s", (unsigned long long)len, unit[u]);
}

static void print_range(FILE *f, u64 base, u64 len, const char *what)
{
	fprintf(f, "  0x%012llx-0x%012llx ", (unsigned long long)base, (unsigned long long)(base + len - 1));
	print_size(f, len);
	fprintf(f, "  %s\n", what);
}

struct memmap {
	FILE *f;
	const struct pci_map *pci;
};

/* BARs are left to show pci, ECAM is in the memory map. */
static void print_registers(const struct region *r, void *arg)
{
	const struct memmap *m = arg;

	if (r->base == m->pci->ecam || r->base >= m->pci->mem64 || range_within(r->base, r->len, m->pci->mem32, m->pci->mem32_len))
		return;
	print_range(m->f, r->base, r->len, r->name);
}

static void print_ports(const struct region *r, void *arg)
{
	fprintf(arg, "  0x%04llx-0x%04llx  %s\n", (unsigned long long)r->base, (unsigned long long)(r->base + r->len - 1), r->name);
}

static void show_memmap(FILE *f, struct offline *o)
{
	static const char *const types[] = { "?", "RAM", "reserved", "ACPI tables" };
	const struct pci_map *pci = pci_host_map(o->pci);
	struct memmap m = { f, pci };
	u64 mem64_len = pci_host_mem64_len(o->pci);

	fprintf(f, "memory\n");
	for (unsigned i = 0; i < o->n_map; i++) {
		const struct boot_region *r = &o->map[i];

		print_range(f, r->gpa, r->len, r->gpa == pci->ecam ? "ECAM (reserved)" : types[r->type < ARRAY_SIZE(types) ? r->type : 0]);
	}
	fprintf(f, "PCI windows\n");
	print_range(f, pci->mem32, pci->mem32_len, "32-bit");
	if (mem64_len)
		print_range(f, pci->mem64, mem64_len, "64-bit, prefetchable");
	fprintf(f, "registers\n");
	bus_for_each(&o->mmio, print_registers, &m);
	fprintf(f, "ports\n");
	bus_for_each(&o->pio, print_ports, f);
	fprintf(f, "interrupt lines\n");
	for (unsigned i = 0; i < o->n_lines; i++)
		fprintf(f, "  %-3u  %s\n", o->lines[i].gsi, o->lines[i].what);
}

static void dump_table(FILE *f, const struct acpi_table *t, gpa_t addr)
{
	/* The RSDP's own signature has eight characters; acpidump and acpixtract use four for all. */
	bool rsdp = strcmp(t->name, "rsdp") == 0;

	fprintf(f, "%.4s @ 0x%016llx\n", rsdp ? "RSDP" : (const char *)t->data, (unsigned long long)addr);
	for (u32 o = 0; o < t->len; o += 16) {
		u32 n = MIN(16, t->len - o);

		fprintf(f, "    %04X:", o);
		for (u32 i = 0; i < 16; i++) {
			if (i < n)
				fprintf(f, " %02X", t->data[o + i]);
			else
				fprintf(f, "   ");
		}
		fprintf(f, "  ");
		for (u32 i = 0; i < n; i++)
			fputc(isprint(t->data[o + i]) ? t->data[o + i] : '.', f);
		fputc('\n', f);
	}
	fputc('\n', f);
}

static void show_acpi(FILE *f, struct offline *o)
{
	for (unsigned i = 0; i < o->tables.n; i++)
		dump_table(f, &o->tables.t[i], o->tables.base + o->tables.offset[i]);
}

static void show_pci(FILE *f, struct offline *o)
{
	pci_show(o->pci, f);
}

static int host_error(const char *what, int err)
{
	log_error("show: %s: %s", what, strerror(-err));
	return EXIT_HOST;
}

/* What cannot be written is the user's to name, but for a full disk and the like. */
static int out_error(const char *path, int err)
{
	log_error("--out: %s: %s", path, strerror(-err));
	return err == -ENOSPC || err == -EDQUOT || err == -EIO || err == -ENOMEM ? EXIT_HOST : EXIT_NOINPUT;
}

static int show_config(FILE *f, const struct vm_config *c)
{
	char *s = config_json(c);

	if (!s)
		return host_error("config", -ENOMEM);
	fprintf(f, "%s\n", s);
	free(s);
	return 0;
}

static int show_man(FILE *f, const struct vm_config *c)
{
	manual_print(f);
	return 0;
}

static int show_completion(FILE *f, const struct vm_config *c)
{
	completion_print(f);
	return 0;
}

/* Of a machine, or of the configuration alone. */
static const struct {
	const char *what;
	void (*machine)(FILE *f, struct offline *o);
	int (*config)(FILE *f, const struct vm_config *c);
	const char *file; /* in --out's folder; NULL: a file per table */
} rows[] = {
	{ "acpi", show_acpi, NULL, NULL },
	{ "memmap", show_memmap, NULL, "memmap.txt" },
	{ "pci", show_pci, NULL, "pci.txt" },
	{ "config", NULL, show_config, "config.json" },
	{ "man", NULL, show_man, "nidus.1" },
	{ "completion", NULL, show_completion, "nidus.bash" },
};

static int find(const char *what, unsigned *row)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(what, rows[i].what) == 0) {
			*row = i;
			return 0;
		}
	}
	if (*what)
		log_error("show: '%s' is none of acpi, memmap, pci, config, man and completion", what);
	else
		log_error("show: say what: acpi, memmap, pci, config, man or completion");
	return EXIT_USAGE;
}

static int create(const struct vm_config *c, struct offline **o)
{
	if (c->arch == ARCH_X86_64)
		return offline_x86_64_create(c, o);
	log_error("--arch: only x86_64 is described so far");
	return EXIT_USAGE;
}

int show_print(FILE *f, const char *what, const struct vm_config *c)
{
	struct offline *o;
	unsigned row;
	int status = find(what, &row);

	if (status)
		return status;
	if (rows[row].config) {
		status = rows[row].config(f, c);
	} else {
		status = create(c, &o);
		if (status)
			return status;
		rows[row].machine(f, o);
		offline_x86_64_destroy(o);
	}
	if (!status && fflush(f) == EOF)
		status = host_error("output", -errno);
	else if (!status && ferror(f))
		status = host_error("output", -EIO);
	return status;
}

static int write_tables(const struct vm_config *c, const char *dir)
{
	struct offline *o;
	int status = create(c, &o), err;

	if (status)
		return status;
	err = acpi_write_dir(&o->tables, dir);
	offline_x86_64_destroy(o);
	return err ? out_error(dir, err) : 0;
}

static int write_file(const char *what, const char *file, const struct vm_config *c, const char *dir)
{
	char *path;
	FILE *f;
	int status;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return out_error(dir, -errno);
	if (asprintf(&path, "%s/%s", dir, file) < 0)
		return out_error(dir, -ENOMEM);
	f = fopen(path, "we");
	if (f) {
		status = show_print(f, what, c);
		if (fclose(f) == EOF && !status)
			status = out_error(path, -errno);
	} else {
		status = out_error(path, -errno);
	}
	free(path);
	return status;
}

int show_main(const char *what, const struct vm_config *c, const char *out_dir)
{
	unsigned row;
	int status;

	if (!out_dir)
		return show_print(stdout, what, c);
	status = find(what, &row);
	if (status)
		return status;
	return rows[row].file ? write_file(what, rows[row].file, c, out_dir) : write_tables(c, out_dir);
}
