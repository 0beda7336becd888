/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF by the PVH direct boot protocol (Xen docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h):
 *   1. judge the ELF header and the program headers from bounded copies
 *   2. find the entry point in a note
 *   3. load the segments at their physical addresses; what they have beyond the file is zero because all RAM is
 *   4. start info, memory map, module list (the initrd), command line
 *   5. enter in 32-bit protected mode, flat, with the start info in ebx
 */
#include <elf.h>

#include "firmware/loader.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"

#define MAX_PHDRS 64
#define MAX_NOTES 256
#define NOTE_PHYS32_ENTRY 18
#define LINUX_CMDLINE_MAX 2047

#define START_INFO_MAGIC 0x336ec578
#define START_INFO_LEN 56
#define MODULE_LEN 32
#define MEMMAP_ENTRY_LEN 24
#define MEMMAP_MAX 128

struct segment {
	u64 off, filesz, memsz;
	gpa_t gpa;
};

struct elf {
	unsigned n_segs, n_notes;
	struct segment seg[MAX_PHDRS], note[MAX_PHDRS];
	u64 end; /* first byte after the highest segment */
	u32 entry;
};

static const struct { u16 machine; const char *name; } machines[] = {
	{ EM_386, "i386" }, { EM_ARM, "arm" }, { EM_AARCH64, "aarch64" }, { EM_RISCV, "riscv" }, { EM_PPC, "powerpc" },
	{ EM_PPC64, "powerpc64" }, { EM_S390, "s390" }, { EM_MIPS, "mips" }, { EM_SPARCV9, "sparc64" }, { 258, "loongarch" },
};

static int refuse(const struct boot_params *p, const char *why)
{
	log_error("--kernel %s: %s", p->kernel->name, why);
	return EXIT_NOINPUT;
}

static int check_ident(const struct boot_params *p, const u8 *head)
{
	bool big = head[EI_DATA] == ELFDATA2MSB;
	u16 machine = (u16)(big ? head[18] << 8 | head[19] : head[18] | head[19] << 8);

	if (p->kernel->size < sizeof(Elf64_Ehdr))
		return refuse(p, "truncated ELF header");
	for (unsigned i = 0; i < ARRAY_SIZE(machines); i++) {
		if (machines[i].machine == machine) {
			log_error("--kernel %s: is an ELF file for %s, this machine is x86_64", p->kernel->name, machines[i].name);
			return EXIT_NOINPUT;
		}
	}
	if (machine != EM_X86_64 || big) {
		log_error("--kernel %s: is an ELF file for another architecture (machine %u), this machine is x86_64", p->kernel->name, machine);
		return EXIT_NOINPUT;
	}
	if (head[EI_CLASS] != ELFCLASS64)
		return refuse(p, "is a 32-bit ELF file, an x86_64 vmlinux is needed");
	return 0;
}

/* Judges one PT_LOAD against the segments before it; whether all fit into RAM is asked at the end, so that the message names what all need. */
static int add_load(const struct boot_params *p, struct elf *e, const struct segment *s)
{
	if (s->memsz == 0)
		return 0;
	if (s->filesz > s->memsz)
		return refuse(p, "damaged ELF: a segment has more bytes in the file than in memory");
	if (s->gpa < X86_KERNEL_BASE || s->gpa > UINT32_MAX || s->memsz > UINT32_MAX)
		return refuse(p, "ELF segment outside 1 MiB to 4 GiB of physical addresses");
	for (unsigned i = 0; i < e->n_segs; i++) {
		if (range_overlaps(s->gpa, s->memsz, e->seg[i].gpa, e->seg[i].memsz))
			return refuse(p, "damaged ELF: segments overlap");
	}
	e->seg[e->n_segs++] = *s;
	e->end = MAX(e->end, s->gpa + s->memsz);
	return 0;
}

static int parse_phdrs(const struct boot_params *p, const u8 *head, struct elf *e)
{
	u64 off = get_le(head + offsetof(Elf64_Ehdr, e_phoff), 8), size = p->kernel->size;
	unsigned n = (unsigned)get_le(head + offsetof(Elf64_Ehdr, e_phnum), 2);
	u8 raw[MAX_PHDRS * sizeof(Elf64_Phdr)];
	int ret = 0;

	if (get_le(head + offsetof(Elf64_Ehdr, e_phentsize), 2) != sizeof(Elf64_Phdr) || n == 0 || n > MAX_PHDRS)
		return refuse(p, "ELF file without usable program headers");
	if (!range_within(off, n * sizeof(Elf64_Phdr), 0, size) || boot_pread(p->kernel, off, raw, n * sizeof(Elf64_Phdr)))
		return refuse(p, "truncated ELF: its program headers are not in the file");
	for (unsigned i = 0; i < n && !ret; i++) {
		const u8 *ph = raw + i * sizeof(Elf64_Phdr);
		u32 type = (u32)get_le(ph + offsetof(Elf64_Phdr, p_type), 4);
		struct segment s = {
			.off = get_le(ph + offsetof(Elf64_Phdr, p_offset), 8),
			.filesz = get_le(ph + offsetof(Elf64_Phdr, p_filesz), 8),
			.memsz = get_le(ph + offsetof(Elf64_Phdr, p_memsz), 8),
			.gpa = get_le(ph + offsetof(Elf64_Phdr, p_paddr), 8),
		};

		if (type == PT_INTERP)
			return refuse(p, "is a program, not a kernel");
		if (type != PT_LOAD && type != PT_NOTE)
			continue;
		if (s.filesz && !range_within(s.off, s.filesz, 0, size))
			return refuse(p, "truncated ELF: a segment reaches beyond the end of the file");
		if (type == PT_LOAD)
			ret = add_load(p, e, &s);
		else
			e->note[e->n_notes++] = s;
	}
	if (!ret && e->n_segs == 0)
		return refuse(p, "ELF file without anything to load");
	if (!ret && e->end > boot_low_ram_end(p))
		return boot_no_room(p, "--kernel", p->kernel, e->end);
	return ret;
}

/* Walks one note segment; each step goes forward by at least 12 bytes. True if it holds the entry point. */
static bool find_entry(const struct boot_file *f, const struct segment *s, u32 *entry)
{
	u64 pos = 0;

	for (unsigned i = 0; i < MAX_NOTES && s->filesz - pos >= sizeof(Elf64_Nhdr); i++) {
		u8 raw[sizeof(Elf64_Nhdr) + 4 + 8] = { 0 };
		u64 left = s->filesz - pos, namesz, descsz, len;

		if (boot_pread(f, s->off + pos, raw, (size_t)MIN(left, (u64)sizeof(raw))))
			return false;
		namesz = get_le(raw, 4);
		descsz = get_le(raw + 4, 4);
		len = sizeof(Elf64_Nhdr) + ALIGN_UP(namesz, 4) + ALIGN_UP(descsz, 4);
		if (sizeof(Elf64_Nhdr) + ALIGN_UP(namesz, 4) + descsz > left)
			return false;
		if (get_le(raw + 8, 4) == NOTE_PHYS32_ENTRY && namesz == 4 && memcmp(raw + 12, "Xen", 4) == 0 && (descsz == 4 || descsz == 8)) {
			*entry = (u32)get_le(raw + 16, 4);
			return descsz == 4 || get_le(raw + 20, 4) == 0;
		}
		if (len > left)
			return false;
		pos += len;
	}
	return false;
}

static int parse_entry(const struct boot_params *p, struct elf *e)
{
	bool found = false;

	for (unsigned i = 0; i < e->n_notes && !found; i++)
		found = find_entry(p->kernel, &e->note[i], &e->entry);
	if (!found)
		return refuse(p, "ELF file without a PVH entry point: the kernel needs CONFIG_PVH=y, or take its bzImage");
	for (unsigned i = 0; i < e->n_segs; i++) {
		if (range_within(e->entry, 1, e->seg[i].gpa, e->seg[i].memsz))
			return 0;
	}
	return refuse(p, "damaged ELF: the PVH entry point is in no segment");
}

static int load_segments(const struct boot_params *p, const struct elf *e)
{
	int ret = 0;

	for (unsigned i = 0; i < e->n_segs && !ret; i++)
		ret = boot_copy_in(p, p->kernel, e->seg[i].off, e->seg[i].gpa, e->seg[i].filesz);
	return ret;
}

static int put_start_info(const struct boot_params *p, gpa_t initrd)
{
	u8 info[START_INFO_LEN] = { 0 }, module[MODULE_LEN] = { 0 }, map[MEMMAP_MAX * MEMMAP_ENTRY_LEN] = { 0 };
	unsigned n = MIN(p->n_map, (unsigned)MEMMAP_MAX);
	int ret;

	put_le(info, 4, START_INFO_MAGIC);
	put_le(info + 4, 4, 1); /* version: with the memory map */
	put_le(info + 12, 4, p->initrd ? 1 : 0);
	put_le(info + 16, 8, p->initrd ? X86_PVH_MODLIST : 0);
	put_le(info + 24, 8, X86_CMDLINE);
	put_le(info + 32, 8, p->rsdp);
	put_le(info + 40, 8, X86_PVH_MEMMAP);
	put_le(info + 48, 4, n);
	for (unsigned i = 0; i < n; i++) {
		u8 *m = map + MEMMAP_ENTRY_LEN * i;

		put_le(m, 8, p->map[i].gpa);
		put_le(m + 8, 8, p->map[i].len);
		put_le(m + 16, 4, p->map[i].type);
	}
	put_le(module, 8, initrd);
	put_le(module + 8, 8, p->initrd ? p->initrd->size : 0);
	ret = boot_put(p, X86_PVH_INFO, info, sizeof(info));
	if (!ret)
		ret = boot_put(p, X86_PVH_MEMMAP, map, (u64)n * MEMMAP_ENTRY_LEN);
	if (!ret)
		ret = boot_put(p, X86_PVH_MODLIST, module, sizeof(module));
	return ret;
}

int pvh_load(const struct boot_params *p, const u8 *head, struct boot_entry *out)
{
	struct elf e = { 0 };
	gpa_t initrd;
	int ret;

	ret = check_ident(p, head);
	if (!ret)
		ret = parse_phdrs(p, head, &e);
	if (!ret)
		ret = parse_entry(p, &e);
	if (!ret)
		ret = boot_put_cmdline(p, X86_CMDLINE_MAX - 1);
	if (ret)
		return ret;
	if (strlen(p->cmdline) > LINUX_CMDLINE_MAX)
		log_warn("--cmdline: longer than the %d bytes that Linux reads", LINUX_CMDLINE_MAX);
	ret = load_segments(p, &e);
	if (!ret)
		ret = boot_place_initrd(p, e.end, X86_LOW_RAM_END, &initrd);
	if (!ret)
		ret = put_start_info(p, initrd);
	if (!ret)
		ret = boot_put_gdt(p, false);
	if (ret)
		return ret;
	*out = (struct boot_entry){ .rip = e.entry, .rsp = X86_BOOT_STACK, .rbx = X86_PVH_INFO };
	return 0;
}
