/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a guest finds before its first instruction: kernel image, initrd, command line, memory map, boot parameters.
 * Image files are untrusted: every offset and size in them is checked against the file and against RAM before use.
 */
#ifndef NIDUS_BOOT_H
#define NIDUS_BOOT_H

#include "vmm/bits.h"
#include "vmm/mem.h"

/* A file to load. A file that shrinks meanwhile gives an error, not SIGBUS: it is read with pread() and preadv(). */
struct boot_file {
	int fd;
	u64 size;
	const char *name; /* for messages */
};

#define BOOT_REGION_RAM 1

struct boot_region {
	gpa_t gpa;
	u64 len;
	u32 type; /* E820: 1 RAM, 2 reserved, 3 ACPI */
};

struct boot_params {
	struct mem *mem;
	const struct boot_file *kernel, *initrd; /* initrd NULL: none */
	const char *cmdline;
	gpa_t rsdp; /* 0: none */
	const struct boot_region *map; /* guest memory map, ascending */
	unsigned n_map;
};

/* State of the first vCPU. long_mode: 64-bit with the identity page table at cr3; else 32-bit protected mode, flat. */
struct boot_entry {
	bool long_mode;
	u64 rip, rsp, rsi, rbx, cr3;
};

enum boot_kind { BOOT_BZIMAGE, BOOT_PVH };

/*
 * Opens a regular file for reading (fd given: dup it). After one log_error line naming what (e.g. "--kernel") and the file EXIT_NOINPUT:
 * missing, a directory, a FIFO, empty; or EXIT_HOST: no descriptor left.
 */
int boot_open(const char *what, const char *path, int fd, struct boot_file *f) __must_check;
/* Nothing on one with fd -1. */
void boot_close(struct boot_file *f);

/*
 * Loads by the kind its header shows: bzImage (64-bit protocol, version >= 2.12 with XLF_KERNEL_64) or x86-64 ELF with a PVH note.
 * 0 or an exit status after one log_error line: 65 for a truncated, foreign (names its architecture) or unsupported image, and for one that
 * does not fit (names the memory it needs); 64 for a command line that the kernel cannot take. RAM must be all zero (new, or mem_clear()ed).
 */
int boot_load_x86_64(const struct boot_params *p, struct boot_entry *out) __must_check;

#endif
