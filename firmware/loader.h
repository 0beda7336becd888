/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the loaders of firmware/ share; nobody else includes this. Functions that return an exit status have written one log_error line.
 *
 * The 64-bit and the 32-bit entry find the same selectors in the table at X86_BOOT_GDT: 0x10 code, 0x18 data, 0x20 task state.
 */
#ifndef NIDUS_LOADER_H
#define NIDUS_LOADER_H

#include "firmware/boot.h"
#include "vmm/config.h"

/* The first bytes of an image, zero filled to BOOT_HEAD_LEN; a header that lies beyond them is refused. */
#define BOOT_HEAD_LEN 4096

/* Exactly len bytes of the file. 0, -EIO if the file ends before (it shrank), -errno. */
int boot_pread(const struct boot_file *f, u64 off, void *buf, size_t len) __must_check;

/*
 * Reads [off, off + len) of the file straight into RAM at gpa, without a copy in between. The caller has checked both ranges. 0 or an
 * exit status. len 0 is 0.
 */
int boot_copy_in(const struct boot_params *p, const struct boot_file *f, u64 off, gpa_t gpa, u64 len) __must_check;

/* Writes what the VMM made. 0 or an exit status: only a memory map that contradicts RAM can make it fail. */
int boot_put(const struct boot_params *p, gpa_t gpa, const void *buf, u64 len) __must_check;

/* First byte after the RAM that begins at or below X86_KERNEL_BASE and holds it, by the guest's memory map; 0 if there is none. */
u64 boot_low_ram_end(const struct boot_params *p) __must_check;

/* Says that file needs RAM up to end (bytes), naming the -m that would do. Returns EXIT_NOINPUT. */
int boot_no_room(const struct boot_params *p, const char *what, const struct boot_file *f, u64 end) __must_check;

/*
 * Loads the initrd, if there is one, page aligned as high as possible below limit and above kernel_end. *gpa is 0 without one.
 * 0 or an exit status.
 */
int boot_place_initrd(const struct boot_params *p, u64 kernel_end, u64 limit, gpa_t *gpa) __must_check;

/* Copies the command line to X86_CMDLINE; max: longest one the kernel takes, without its NUL. 0, or EXIT_USAGE if longer. */
int boot_put_cmdline(const struct boot_params *p, u64 max) __must_check;

/* Flat segments and a task state segment at X86_BOOT_GDT, for a 64-bit or a 32-bit entry. 0 or an exit status. */
int boot_put_gdt(const struct boot_params *p, bool long_mode) __must_check;

/* Identity map of the first 4 GiB at X86_BOOT_PT, six pages. 0 or an exit status. */
int boot_put_page_tables(const struct boot_params *p) __must_check;

/* head: BOOT_HEAD_LEN bytes whose magic the caller has seen. 0 or an exit status. */
int bzimage_load(const struct boot_params *p, const u8 *head, struct boot_entry *out) __must_check;
int pvh_load(const struct boot_params *p, const u8 *head, struct boot_entry *out) __must_check;

#endif
