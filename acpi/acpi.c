/* SPDX-License-Identifier: Apache-2.0 */
/*
 * 1. The static DSDT and the C-built SSDT. 2. The tables that describe fixed things: FADT, MADT, MCFG, SPCR, and the unit's table as
 * given. 3. The XSDT over all but the DSDT, which the FADT names. 4. The RSDP, in the place kept for it at base.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acpi/acpi.h"
#include "acpi/aml.h"
#include "acpi/ssdt.h"
#include "acpi/x86_64.aml.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/pci.h"

#define RSDP_LEN 36
#define TABLE_ALIGN 16

/* Generic address structure (section 5.2.3.2). */
#define GAS_SYSTEM_IO 1
#define GAS_BYTE 1

/* FADT (section 5.2.9). */
#define FADT_REVISION 6
#define FADT_MINOR 3
#define FADT_LEN 276
#define FADT_OFF_BOOT_ARCH 109
#define FADT_OFF_FLAGS 112
#define FADT_OFF_RESET_REG 116
#define FADT_OFF_X_DSDT 140
#define FADT_OFF_SLEEP_CONTROL 244
#define IAPC_NO_VGA BIT(2)
#define IAPC_NO_CMOS_RTC BIT(5)
#define FADT_WBINVD BIT(0)
#define FADT_PWR_BUTTON BIT(4) /* not a fixed feature: PNP0C0C, or none */
#define FADT_SLP_BUTTON BIT(5)
#define FADT_FIX_RTC BIT(6) /* no RTC wake status */
#define FADT_RESET_REG_SUP BIT(10)
#define FADT_HW_REDUCED BIT(20)

/* MADT (section 5.2.12). */
#define MADT_REVISION 5
#define MADT_LAPIC 0
#define MADT_IOAPIC 1
#define MADT_LAPIC_NMI 4
#define MADT_X2APIC 9
#define MADT_X2APIC_NMI 10
#define MADT_ENABLED 1
#define LINT_NMI 1
#define XAPIC_ID_MAX 254

/* Serial Port Console Redirection, revision 2. */
#define SPCR_REVISION 2
#define SPCR_16550 0
#define SPCR_IRQ_IOAPIC 2
#define SPCR_115200 7
#define SPCR_TERM_ANSI 3

/* The first failure sticks: later steps do nothing, acpi_build_x86() reports it. */
struct builder {
	struct acpi_tables t;
	int err;
};

static gpa_t table_addr(const struct builder *b, unsigned i)
{
	return b->t.base + b->t.offset[i];
}

/* Takes data over, also on failure. Returns the table's index. */
static unsigned add(struct builder *b, const char *name, u8 *data, u32 len)
{
	struct acpi_tables *t = &b->t;
	unsigned i = t->n;

	if (i == ACPI_MAX_TABLES)
		b->err = -E2BIG;
	if (b->err) {
		free(data);
		return 0;
	}
	snprintf(t->t[i].name, sizeof(t->t[i].name), "%s", name);
	t->t[i].data = data;
	t->t[i].len = len;
	t->offset[i] = (u32)ALIGN_UP(t->total, TABLE_ALIGN);
	t->total = t->offset[i] + len;
	return t->n++;
}

/* The end of every builder: the finished table, or its failure, goes to b. */
static unsigned add_built(struct builder *b, const char *name, struct aml *a)
{
	u8 *data = NULL;
	u32 len = 0;
	int err = aml_finish(a, &data, &len);

	if (err && !b->err)
		b->err = err;
	aml_fini(a);
	return add(b, name, data, len);
}

static unsigned add_copy(struct builder *b, const char *name, const void *src, u32 len)
{
	u8 *data = malloc(len);

	if (data)
		memcpy(data, src, len);
	else if (!b->err)
		b->err = -ENOMEM;
	return add(b, name, data, len);
}

static void gas(u8 *p, u16 port)
{
	p[0] = GAS_SYSTEM_IO;
	p[1] = 8;
	p[2] = 0;
	p[3] = GAS_BYTE;
	put_le(p + 4, 8, port);
}

/* Hardware-reduced: most of the table is zero. */
static void add_fadt(struct builder *b, gpa_t dsdt)
{
	static const u8 vendor[8] = "NIDUS";
	u8 f[FADT_LEN] = { 0 };
	struct aml a;

	put_le(f + 40, 4, dsdt);
	put_le(f + FADT_OFF_BOOT_ARCH, 2, IAPC_NO_VGA | IAPC_NO_CMOS_RTC);
	put_le(f + FADT_OFF_FLAGS, 4,
	       FADT_WBINVD | FADT_PWR_BUTTON | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_RESET_REG_SUP | FADT_HW_REDUCED);
	gas(f + FADT_OFF_RESET_REG, X86_RESET_PORT);
	f[128] = X86_RESET_VALUE;
	f[131] = FADT_MINOR;
	put_le(f + FADT_OFF_X_DSDT, 8, dsdt);
	gas(f + FADT_OFF_SLEEP_CONTROL, X86_SLEEP_CTRL_PORT);
	gas(f + FADT_OFF_SLEEP_CONTROL + 12, X86_SLEEP_STATUS_PORT);
	memcpy(f + 268, vendor, sizeof(vendor));

	aml_init(&a);
	aml_table(&a, "FACP", FADT_REVISION);
	aml_bytes(&a, f + ACPI_HDR_LEN, FADT_LEN - ACPI_HDR_LEN);
	add_built(b, "facp", &a);
}

static void add_ssdt(struct builder *b, const struct acpi_x86 *x)
{
	u8 *data = NULL;
	u32 len = 0;
	int err = ssdt_build_x86(x, &data, &len);

	if (err && !b->err)
		b->err = err;
	add(b, "ssdt", data, len);
}

static void madt_cpu(struct aml *a, u32 uid, u32 apic_id)
{
	if (apic_id <= XAPIC_ID_MAX) {
		aml_int(a, 1, MADT_LAPIC);
		aml_int(a, 1, 8);
		aml_int(a, 1, uid);
		aml_int(a, 1, apic_id);
		aml_int(a, 4, MADT_ENABLED);
	} else {
		aml_int(a, 1, MADT_X2APIC);
		aml_int(a, 1, 16);
		aml_int(a, 2, 0);
		aml_int(a, 4, apic_id);
		aml_int(a, 4, MADT_ENABLED);
		aml_int(a, 4, uid);
	}
}

/* LINT1 of every processor is NMI, as on a PC. */
static void madt_nmi(struct aml *a, bool x2apic)
{
	aml_int(a, 1, MADT_LAPIC_NMI);
	aml_int(a, 1, 6);
	aml_int(a, 1, 0xff);
	aml_int(a, 2, 0);
	aml_int(a, 1, LINT_NMI);
	if (!x2apic)
		return;
	aml_int(a, 1, MADT_X2APIC_NMI);
	aml_int(a, 1, 12);
	aml_int(a, 2, 0);
	aml_int(a, 4, 0xffffffff);
	aml_int(a, 1, LINT_NMI);
	aml_int(a, 3, 0);
}

static void add_madt(struct builder *b, const struct acpi_x86 *x)
{
	bool x2apic = false;
	struct aml a;

	aml_init(&a);
	aml_table(&a, "APIC", MADT_REVISION);
	aml_int(&a, 4, X86_LAPIC_BASE);
	aml_int(&a, 4, 0); /* no 8259 */
	for (unsigned i = 0; i < x->cpus; i++) {
		madt_cpu(&a, i, x->apic_ids[i]);
		x2apic |= x->apic_ids[i] > XAPIC_ID_MAX;
	}
	aml_int(&a, 1, MADT_IOAPIC);
	aml_int(&a, 1, 12);
	aml_int(&a, 1, X86_IOAPIC_ID);
	aml_int(&a, 1, 0);
	aml_int(&a, 4, X86_IOAPIC_BASE);
	aml_int(&a, 4, 0); /* first GSI */
	madt_nmi(&a, x2apic);
	add_built(b, "apic", &a);
}

/*
 * PCI Firmware Specification 3.3 section 4.1.2. Only the buses there are: Linux looks for devices on every bus that is named here and has none, at 32
 * exits each.
 */
static void add_mcfg(struct builder *b, const struct pci_host *pci)
{
	struct aml a;

	aml_init(&a);
	aml_table(&a, "MCFG", 1);
	aml_int(&a, 8, 0);
	aml_int(&a, 8, pci_host_map(pci)->ecam);
	aml_int(&a, 2, 0); /* segment */
	aml_int(&a, 1, 0); /* first bus */
	aml_int(&a, 1, pci_host_last_bus(pci));
	aml_int(&a, 4, 0);
	add_built(b, "mcfg", &a);
}

static void add_spcr(struct builder *b)
{
	u8 com1[12];
	struct aml a;

	gas(com1, X86_COM1_PORT);
	aml_init(&a);
	aml_table(&a, "SPCR", SPCR_REVISION);
	aml_int(&a, 4, SPCR_16550);
	aml_bytes(&a, com1, sizeof(com1));
	aml_int(&a, 1, SPCR_IRQ_IOAPIC);
	aml_int(&a, 1, 0); /* no 8259 line */
	aml_int(&a, 4, X86_GSI_COM1);
	aml_int(&a, 1, SPCR_115200);
	aml_int(&a, 1, 0); /* no parity */
	aml_int(&a, 1, 1); /* one stop bit */
	aml_int(&a, 1, 0); /* no flow control */
	aml_int(&a, 1, SPCR_TERM_ANSI);
	aml_int(&a, 1, 0);
	aml_int(&a, 4, 0xffffffff); /* not a PCI device */
	aml_int(&a, 8, 0);	    /* bus, device, function, flags, segment */
	aml_int(&a, 4, 0);
	add_built(b, "spcr", &a);
}

static void add_iommu(struct builder *b, const struct acpi_blob *blob)
{
	char name[5] = "";

	if (!blob->len)
		return;
	if (blob->len < ACPI_HDR_LEN) {
		b->err = -EINVAL;
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		name[i] = (char)tolower(blob->data[i]);
	add_copy(b, name, blob->data, blob->len);
}

/* Over tables from..n-1. */
static unsigned add_xsdt(struct builder *b, unsigned from)
{
	struct aml a;

	aml_init(&a);
	aml_table(&a, "XSDT", 1);
	for (unsigned i = from; i < b->t.n; i++)
		aml_int(&a, 8, table_addr(b, i));
	return add_built(b, "xsdt", &a);
}

static void fill_rsdp(u8 *r, gpa_t xsdt)
{
	memcpy(r, "RSD PTR ", 8);
	memcpy(r + 9, "NIDUS ", 6);
	r[15] = 2;
	put_le(r + 20, 4, RSDP_LEN);
	put_le(r + 24, 8, xsdt);
	aml_checksum(r, 20, 8);
	aml_checksum(r, RSDP_LEN, 32);
}

int acpi_build_x86(const struct acpi_x86 *x, gpa_t base, u64 len, struct acpi_tables *out)
{
	static const u8 rsdp[RSDP_LEN];
	struct builder b = { .t.base = base };
	unsigned dsdt, first, xsdt;

	add_copy(&b, "rsdp", rsdp, RSDP_LEN);
	dsdt = add_copy(&b, "dsdt", aml_x86_64, sizeof(aml_x86_64));
	first = b.t.n;
	add_fadt(&b, table_addr(&b, dsdt));
	add_ssdt(&b, x);
	add_madt(&b, x);
	add_mcfg(&b, x->pci);
	if (x->uart)
		add_spcr(&b);
	add_iommu(&b, &x->iommu);
	xsdt = add_xsdt(&b, first);
	if (!b.err && b.t.total > len)
		b.err = -E2BIG;
	if (b.err) {
		acpi_free(&b.t);
		return b.err;
	}
	fill_rsdp(b.t.t[0].data, table_addr(&b, xsdt));
	*out = b.t;
	return 0;
}

void acpi_free(struct acpi_tables *t)
{
	for (unsigned i = 0; i < t->n; i++)
		free(t->t[i].data);
	memset(t, 0, sizeof(*t));
}

static int write_file(int dir, const char *name, const u8 *p, u32 len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), err = 0;

	if (fd < 0)
		return -errno;
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n ? -errno : -EIO;
			break;
		}
		p += n;
		len -= (u32)n;
	}
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

int acpi_write_dir(const struct acpi_tables *t, const char *dir)
{
	char name[16];
	int fd, err = 0;

	if (mkdir(dir, 0755) < 0 && errno != EEXIST)
		return -errno;
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; i < t->n && !err; i++) {
		snprintf(name, sizeof(name), "%s.dat", t->t[i].name);
		err = write_file(fd, name, t->t[i].data, t->t[i].len);
	}
	close(fd);
	return err;
}
