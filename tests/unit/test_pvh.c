/* SPDX-License-Identifier: Apache-2.0 */
#include <elf.h>

#include "boot_fake.h"

#define PH(i) (64 + 56 * (i))
#define NOTE_OFF 0x200
#define NOTE_LEN 0x40
#define TEXT_OFF 0x1000
#define TEXT_LEN 0x800
#define DATA_OFF 0x1800
#define DATA_LEN 0x100
#define IMAGE_LEN 0x1900
#define TEXT_GPA MiB(16)
#define DATA_GPA (MiB(16) + 0x2000)
#define ENTRY (TEXT_GPA + 0x123)

static void put_phdr(u8 *ph, u32 type, u64 off, u64 gpa, u64 filesz, u64 memsz)
{
	put_le(ph, 4, type);
	put_le(ph + 8, 8, off);
	put_le(ph + 16, 8, 0xffffffff80000000ULL + gpa);
	put_le(ph + 24, 8, gpa);
	put_le(ph + 32, 8, filesz);
	put_le(ph + 40, 8, memsz);
}

/* Text, data with bss, and notes of which the second is the entry point. */
static void make_image(u8 *im)
{
	memset(im, 0, IMAGE_LEN);
	memcpy(im, "\177ELF\2\1\1", 7);
	put_le(im + 16, 2, ET_EXEC);
	put_le(im + 18, 2, EM_X86_64);
	put_le(im + 32, 8, 64);
	put_le(im + 54, 2, 56);
	put_le(im + 56, 2, 3);
	put_phdr(im + PH(0), PT_LOAD, TEXT_OFF, TEXT_GPA, TEXT_LEN, TEXT_LEN);
	put_phdr(im + PH(1), PT_LOAD, DATA_OFF, DATA_GPA, DATA_LEN, 0x3000);
	put_phdr(im + PH(2), PT_NOTE, NOTE_OFF, TEXT_GPA, NOTE_LEN, NOTE_LEN);
	put_le(im + NOTE_OFF, 4, 6);
	put_le(im + NOTE_OFF + 4, 4, 3);
	put_le(im + NOTE_OFF + 8, 4, 18);
	memcpy(im + NOTE_OFF + 12, "Other", 5);
	put_le(im + NOTE_OFF + 24, 4, 4);
	put_le(im + NOTE_OFF + 28, 4, 8);
	put_le(im + NOTE_OFF + 32, 4, 18);
	memcpy(im + NOTE_OFF + 36, "Xen", 4);
	put_le(im + NOTE_OFF + 40, 8, ENTRY);
	memset(im + TEXT_OFF, 0xcc, TEXT_LEN);
	memset(im + DATA_OFF, 0xdd, DATA_LEN);
}

static int load(const u8 *im, u64 len, const struct boot_file *initrd, struct boot_entry *e)
{
	struct boot_file k = fake_file("vmlinux", im, len);
	struct boot_params p = fake_params(&k, initrd);
	int ret = boot_load_x86_64(&p, e);

	boot_close(&k);
	return ret;
}

static void test_pvh_load_places_segments_and_start_info(void **state)
{
	struct boot_file rd = fake_file("initrd", "initrd!", 7);
	struct boot_entry e;
	u8 im[IMAGE_LEN];

	make_image(im);
	assert_int_equal(load(im, sizeof(im), &rd, &e), 0);
	assert_false(e.long_mode);
	assert_int_equal(e.rip, ENTRY);
	assert_int_equal(e.rbx, X86_PVH_INFO);
	assert_memory_equal(fake.ram + TEXT_GPA, im + TEXT_OFF, TEXT_LEN);
	assert_memory_equal(fake.ram + DATA_GPA, im + DATA_OFF, DATA_LEN);
	assert_int_equal(ram_get(DATA_GPA + DATA_LEN, 8), 0);
	assert_int_equal(ram_get(X86_PVH_INFO, 4), 0x336ec578);
	assert_int_equal(ram_get(X86_PVH_INFO + 4, 4), 1);
	assert_int_equal(ram_get(X86_PVH_INFO + 12, 4), 1);
	assert_int_equal(ram_get(X86_PVH_INFO + 16, 8), X86_PVH_MODLIST);
	assert_int_equal(ram_get(X86_PVH_INFO + 24, 8), X86_CMDLINE);
	assert_int_equal(ram_get(X86_PVH_INFO + 32, 8), X86_ACPI_BASE);
	assert_int_equal(ram_get(X86_PVH_INFO + 40, 8), X86_PVH_MEMMAP);
	assert_int_equal(ram_get(X86_PVH_INFO + 48, 4), ARRAY_SIZE(fake_map));
	for (unsigned i = 0; i < ARRAY_SIZE(fake_map); i++) {
		assert_int_equal(ram_get(X86_PVH_MEMMAP + 24 * i, 8), fake_map[i].gpa);
		assert_int_equal(ram_get(X86_PVH_MEMMAP + 24 * i + 8, 8), fake_map[i].len);
		assert_int_equal(ram_get(X86_PVH_MEMMAP + 24 * i + 16, 4), fake_map[i].type);
	}
	assert_int_equal(ram_get(X86_PVH_MODLIST, 8), FAKE_RAM - 4096);
	assert_int_equal(ram_get(X86_PVH_MODLIST + 8, 8), 7);
	assert_memory_equal(fake.ram + FAKE_RAM - 4096, "initrd!", 7);
	assert_string_equal((char *)fake.ram + X86_CMDLINE, "console=ttyS0");
	assert_int_equal(ram_get(X86_BOOT_GDT + 0x10, 8) >> 40 & 0xffff, 0xcf9b);
	boot_close(&rd);
}

static void test_pvh_damaged_gives_one_line_and_65(void **state)
{
	static const struct { const char *what; unsigned off, size; u64 val; const char *say; } rows[] = {
		{ "aarch64", 18, 2, EM_AARCH64, "is an ELF file for aarch64" },
		{ "riscv", 18, 2, EM_RISCV, "is an ELF file for riscv" },
		{ "i386", 18, 2, EM_386, "is an ELF file for i386" },
		{ "unheard of", 18, 2, 0xffff, "machine 65535" },
		{ "big endian", 5, 1, 2, "another architecture" },
		{ "32-bit", 4, 1, 1, "32-bit ELF" },
		{ "no header", 56, 2, 0, "without usable program headers" },
		{ "too many headers", 56, 2, 0xffff, "without usable program headers" },
		{ "entry size", 54, 2, 1, "without usable program headers" },
		{ "headers far out", 32, 8, ~0ULL, "truncated ELF" },
		{ "headers at the end", 32, 8, IMAGE_LEN - 100, "truncated ELF" },
		{ "offset 2^63", PH(0) + 8, 8, 1ULL << 63, "truncated ELF" },
		{ "offset wraps", PH(0) + 8, 8, ~0ULL - 16, "truncated ELF" },
		{ "file size", PH(1) + 32, 8, 0x2000, "truncated ELF" },
		{ "file size 2^64-1", PH(1) + 32, 8, ~0ULL, "truncated ELF" },
		{ "memory size", PH(0) + 40, 8, 0x10, "more bytes in the file" },
		{ "memory size 2^64-1", PH(0) + 40, 8, ~0ULL, "outside 1 MiB to 4 GiB" },
		{ "in low memory", PH(0) + 24, 8, 0x7000, "outside 1 MiB to 4 GiB" },
		{ "above 4 GiB", PH(0) + 24, 8, GiB(4), "outside 1 MiB to 4 GiB" },
		{ "address wraps", PH(0) + 24, 8, ~0ULL - 0xff, "outside 1 MiB to 4 GiB" },
		{ "in the hole", PH(0) + 24, 8, 0xfee00000, "more than this machine can have" },
		{ "beyond RAM", PH(1) + 24, 8, MiB(100), "needs at least -m 101M" },
		{ "across the end", PH(1) + 40, 8, MiB(20), "needs at least -m 37M" },
		{ "overlap", PH(1) + 24, 8, TEXT_GPA + TEXT_LEN - 1, "overlap" },
		{ "program", PH(2), 4, PT_INTERP, "is a program" },
		{ "no note", PH(2), 4, PT_NULL, "without a PVH entry" },
		{ "note type", NOTE_OFF + 32, 4, 17, "without a PVH entry" },
		{ "note name", NOTE_OFF + 36, 4, 0x41414141, "without a PVH entry" },
		{ "note size", NOTE_OFF + 28, 4, 2, "without a PVH entry" },
		{ "note size 2^32-1", NOTE_OFF + 28, 4, 0xffffffff, "without a PVH entry" },
		{ "first note name 2^32-1", NOTE_OFF, 4, 0xffffffff, "without a PVH entry" },
		{ "entry above 4 GiB", NOTE_OFF + 40, 8, GiB(4) + ENTRY, "without a PVH entry" },
		{ "entry outside", NOTE_OFF + 40, 8, MiB(20), "in no segment" },
	};
	u8 im[IMAGE_LEN];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct boot_entry e;
		int ret;

		make_image(im);
		put_le(im + rows[i].off, rows[i].size, rows[i].val);
		ret = load(im, sizeof(im), NULL, &e);
		if (ret != EXIT_NOINPUT || n_said != 1 || !strstr(said, rows[i].say))
			fail_msg("%s: %d, %u lines, \"%s\"", rows[i].what, ret, n_said, said);
	}
}

static void test_pvh_cut_anywhere_is_refused(void **state)
{
	u8 im[IMAGE_LEN];

	make_image(im);
	for (u64 len = 1; len < sizeof(im); len += len < 0x300 ? 1 : 311) {
		struct boot_entry e;

		assert_int_equal(load(im, len, NULL, &e), EXIT_NOINPUT);
		assert_int_equal(n_said, 1);
	}
}

static void test_pvh_nothing_to_load_is_refused(void **state)
{
	struct boot_entry e;
	u8 im[IMAGE_LEN];

	make_image(im);
	for (unsigned i = 0; i < 2; i++) {
		put_le(im + PH(i) + 32, 8, 0);
		put_le(im + PH(i) + 40, 8, 0);
	}
	assert_int_equal(load(im, sizeof(im), NULL, &e), EXIT_NOINPUT);
	assert_non_null(strstr(said, "anything to load"));
}

static void test_pvh_4byte_note_is_taken(void **state)
{
	struct boot_entry e;
	u8 im[IMAGE_LEN];

	make_image(im);
	put_le(im + NOTE_OFF + 28, 4, 4);
	assert_int_equal(load(im, sizeof(im), NULL, &e), 0);
	assert_int_equal(e.rip, ENTRY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pvh_load_places_segments_and_start_info),
		cmocka_unit_test(test_pvh_damaged_gives_one_line_and_65),
		cmocka_unit_test(test_pvh_cut_anywhere_is_refused),
		cmocka_unit_test(test_pvh_nothing_to_load_is_refused),
		cmocka_unit_test(test_pvh_4byte_note_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, fake_teardown);
}
