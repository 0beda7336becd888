/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Linux bzImage by the 64-bit boot protocol (Documentation/arch/x86/boot.rst):
 *   1. judge the setup header from a bounded copy of the file's head
 *   2. load the part after the setup sectors where the kernel prefers to run
 *   3. initrd, command line, zero page (the setup header copied, memory map, RSDP), page tables, GDT
 *   4. enter at load + 0x200 with the zero page in rsi
 */
#include "firmware/loader.h"
#include "vmm/log.h"
#include "vmm/memmap_x86_64.h"

/* Offsets in the file's head and, from HDR_START on, in the zero page alike. */
enum {
	ZP_ACPI_RSDP = 0x070,
	ZP_E820_COUNT = 0x1e8,
	HDR_START = 0x1f1,
	HDR_SETUP_SECTS = 0x1f1,
	HDR_SYSSIZE = 0x1f4,
	HDR_VID_MODE = 0x1fa,
	HDR_BOOT_FLAG = 0x1fe,
	HDR_JUMP_LEN = 0x201,
	HDR_MAGIC = 0x202,
	HDR_VERSION = 0x206,
	HDR_LOADER = 0x210,
	HDR_RAMDISK = 0x218,
	HDR_RAMDISK_SIZE = 0x21c,
	HDR_CMDLINE = 0x228,
	HDR_INITRD_MAX = 0x22c,
	HDR_ALIGNMENT = 0x230,
	HDR_RELOCATABLE = 0x234,
	HDR_XLOADFLAGS = 0x236,
	HDR_CMDLINE_SIZE = 0x238,
	HDR_PREF_ADDRESS = 0x258,
	HDR_INIT_SIZE = 0x260,
	HDR_END_MIN = 0x264,
	HDR_END_MAX = 0x290,
	ZP_E820 = 0x2d0,
	ZP_E820_ENTRY = 20,
	ZP_E820_MAX = 128,
	ZP_LEN = 4096,
};

#define VERSION_XLOADFLAGS 0x020c
#define XLF_KERNEL_64 0x01
#define LOADER_UNDEFINED 0xff
#define VID_MODE_NORMAL 0xffff
#define ENTRY_64 0x200

/* What the loader needs of a header found good. */
struct image {
	u64 setup_len;   /* bytes of the file before the 64-bit part */
	u64 payload_len; /* the rest of the file */
	gpa_t load;      /* where that rest goes */
	u64 end;         /* first byte after what the kernel uses before it reads the memory map */
	unsigned hdr_end;
	u64 initrd_limit;
	u64 cmdline_max;
};

static int refuse(const struct boot_params *p, const char *why)
{
	log_error("--kernel %s: %s", p->kernel->name, why);
	return EXIT_NOINPUT;
}

static int parse_sizes(const struct boot_params *p, const u8 *head, struct image *im)
{
	u64 sects = head[HDR_SETUP_SECTS] ? head[HDR_SETUP_SECTS] : 4, want;

	im->setup_len = (sects + 1) * 512;
	want = im->setup_len + get_le(head + HDR_SYSSIZE, 4) * 16;
	/* A signature may follow, so a longer file is in order. */
	if (want == im->setup_len || p->kernel->size < want) {
		log_error("--kernel %s: truncated bzImage: %llu bytes, its header tells of %llu", p->kernel->name,
			  (unsigned long long)p->kernel->size, (unsigned long long)want);
		return EXIT_NOINPUT;
	}
	im->payload_len = want - im->setup_len;
	if (im->payload_len <= ENTRY_64)
		return refuse(p, "bzImage without a 64-bit entry point");
	return 0;
}

/* A kernel that cannot move runs at its preferred address, one that can at the first aligned one from there on (the head of the decompressor does the same). */
static int parse_place(const struct boot_params *p, const u8 *head, struct image *im)
{
	u64 align = get_le(head + HDR_ALIGNMENT, 4), pref = get_le(head + HDR_PREF_ADDRESS, 8), len = get_le(head + HDR_INIT_SIZE, 4);

	if (pref < X86_KERNEL_BASE || pref > UINT32_MAX)
		return refuse(p, "bzImage with a preferred address outside 1 MiB to 4 GiB");
	if (head[HDR_RELOCATABLE]) {
		if (align == 0 || (align & (align - 1)))
			return refuse(p, "bzImage whose alignment is no power of two");
		pref = ALIGN_UP(pref, align);
	}
	im->load = pref;
	im->end = pref + MAX(len, im->payload_len);
	if (im->end > boot_low_ram_end(p))
		return boot_no_room(p, "--kernel", p->kernel, im->end);
	return 0;
}

static int parse(const struct boot_params *p, const u8 *head, struct image *im)
{
	int ret;

	if (get_le(head + HDR_BOOT_FLAG, 2) != 0xaa55 || p->kernel->size < HDR_END_MIN)
		return refuse(p, "truncated or damaged bzImage header");
	if (get_le(head + HDR_VERSION, 2) < VERSION_XLOADFLAGS)
		return refuse(p, "bzImage of a boot protocol older than 2.12: a kernel from 3.8 on is needed");
	if (!(get_le(head + HDR_XLOADFLAGS, 2) & XLF_KERNEL_64))
		return refuse(p, "bzImage without a 64-bit entry point: a 32-bit kernel, this machine is x86_64");
	im->hdr_end = HDR_MAGIC + head[HDR_JUMP_LEN];
	if (im->hdr_end < HDR_END_MIN)
		return refuse(p, "damaged bzImage header");
	im->hdr_end = MIN(im->hdr_end, (unsigned)HDR_END_MAX);
	im->initrd_limit = get_le(head + HDR_INITRD_MAX, 4) + 1;
	im->cmdline_max = get_le(head + HDR_CMDLINE_SIZE, 4);
	ret = parse_sizes(p, head, im);
	return ret ? ret : parse_place(p, head, im);
}

static int put_zero_page(const struct boot_params *p, const u8 *head, const struct image *im, gpa_t initrd)
{
	unsigned n = MIN(p->n_map, (unsigned)ZP_E820_MAX);
	u8 zp[ZP_LEN] = { 0 };

	memcpy(zp + HDR_START, head + HDR_START, im->hdr_end - HDR_START);
	put_le(zp + HDR_VID_MODE, 2, VID_MODE_NORMAL);
	zp[HDR_LOADER] = LOADER_UNDEFINED;
	put_le(zp + HDR_CMDLINE, 4, X86_CMDLINE);
	put_le(zp + HDR_RAMDISK, 4, initrd);
	put_le(zp + HDR_RAMDISK_SIZE, 4, p->initrd ? p->initrd->size : 0);
	put_le(zp + ZP_ACPI_RSDP, 8, p->rsdp);
	zp[ZP_E820_COUNT] = (u8)n;
	for (unsigned i = 0; i < n; i++) {
		u8 *e = zp + ZP_E820 + ZP_E820_ENTRY * i;

		put_le(e, 8, p->map[i].gpa);
		put_le(e + 8, 8, p->map[i].len);
		put_le(e + 16, 4, p->map[i].type);
	}
	return boot_put(p, X86_ZERO_PAGE, zp, sizeof(zp));
}

int bzimage_load(const struct boot_params *p, const u8 *head, struct boot_entry *out)
{
	struct image im = { 0 };
	gpa_t initrd;
	int ret;

	ret = parse(p, head, &im);
	if (!ret)
		ret = boot_put_cmdline(p, im.cmdline_max);
	if (!ret)
		ret = boot_copy_in(p, p->kernel, im.setup_len, im.load, im.payload_len);
	if (!ret)
		ret = boot_place_initrd(p, im.end, im.initrd_limit, &initrd);
	if (!ret)
		ret = put_zero_page(p, head, &im, initrd);
	if (!ret)
		ret = boot_put_page_tables(p);
	if (!ret)
		ret = boot_put_gdt(p, true);
	if (ret)
		return ret;
	*out = (struct boot_entry){
		.long_mode = true, .rip = im.load + ENTRY_64, .rsp = X86_BOOT_STACK, .rsi = X86_ZERO_PAGE, .cr3 = X86_BOOT_PT,
	};
	return 0;
}
