/* SPDX-License-Identifier: Apache-2.0 */
#include "boot_fake.h"

#define SETUP_LEN 1024
#define PAYLOAD_LEN 8192
#define IMAGE_LEN (SETUP_LEN + PAYLOAD_LEN)
#define PREF MiB(4)

/* A kernel of one setup sector with a recognizable payload. */
static void make_image(u8 *im)
{
	memset(im, 0, IMAGE_LEN);
	im[0x1f1] = 1;
	put_le(im + 0x1f4, 4, PAYLOAD_LEN / 16);
	put_le(im + 0x1fe, 2, 0xaa55);
	im[0x200] = 0xeb;
	im[0x201] = 0x6a;
	memcpy(im + 0x202, "HdrS", 4);
	put_le(im + 0x206, 2, 0x20f);
	im[0x211] = 1;
	put_le(im + 0x22c, 4, 0x7fffffff);
	put_le(im + 0x230, 4, MiB(2));
	im[0x234] = 1;
	put_le(im + 0x236, 2, 3);
	put_le(im + 0x238, 4, 2047);
	put_le(im + 0x258, 8, PREF);
	put_le(im + 0x260, 4, MiB(2));
	for (unsigned i = 0; i < PAYLOAD_LEN; i++)
		im[SETUP_LEN + i] = (u8)(i * 7 + i / 256);
}

static int load(const u8 *im, u64 len, const char *cmdline, const struct boot_file *initrd, struct boot_entry *e)
{
	struct boot_file k = fake_file("vmlinuz", im, len);
	struct boot_params p = fake_params(&k, initrd);
	int ret;

	if (cmdline)
		p.cmdline = cmdline;
	ret = boot_load_x86_64(&p, e);
	boot_close(&k);
	return ret;
}

static void test_bzimage_load_places_kernel_and_zero_page(void **state)
{
	struct boot_entry e;
	u8 im[IMAGE_LEN];

	make_image(im);
	assert_int_equal(load(im, sizeof(im), NULL, NULL, &e), 0);
	assert_true(e.long_mode);
	assert_int_equal(e.rip, PREF + 0x200);
	assert_int_equal(e.rsi, X86_ZERO_PAGE);
	assert_int_equal(e.cr3, X86_BOOT_PT);
	assert_memory_equal(fake.ram + PREF, im + SETUP_LEN, PAYLOAD_LEN);
	/* setup header copied, nothing before or behind it */
	assert_memory_equal(fake.ram + X86_ZERO_PAGE + 0x258, im + 0x258, 0x264 - 0x258);
	assert_int_equal(ram_get(X86_ZERO_PAGE + 0x26c, 8), 0);
	assert_int_equal(ram_get(X86_ZERO_PAGE + 0x210, 1), 0xff);
	assert_int_equal(ram_get(X86_ZERO_PAGE + 0x228, 4), X86_CMDLINE);
	assert_int_equal(ram_get(X86_ZERO_PAGE + 0x218, 4), 0);
	assert_int_equal(ram_get(X86_ZERO_PAGE + 0x21c, 4), 0);
	assert_int_equal(ram_get(X86_ZERO_PAGE + 0x070, 8), X86_ACPI_BASE);
	assert_int_equal(ram_get(X86_ZERO_PAGE + 0x1e8, 1), ARRAY_SIZE(fake_map));
	for (unsigned i = 0; i < ARRAY_SIZE(fake_map); i++) {
		assert_int_equal(ram_get(X86_ZERO_PAGE + 0x2d0 + 20 * i, 8), fake_map[i].gpa);
		assert_int_equal(ram_get(X86_ZERO_PAGE + 0x2d8 + 20 * i, 8), fake_map[i].len);
		assert_int_equal(ram_get(X86_ZERO_PAGE + 0x2e0 + 20 * i, 4), fake_map[i].type);
	}
	assert_string_equal((char *)fake.ram + X86_CMDLINE, "console=ttyS0");
	assert_int_equal(n_said, 0);
}

/* What a processor would find: walks the tables for an address. */
static u64 translate(gpa_t cr3, u64 va)
{
	u64 e = ram_get(cr3 + 8 * ((va >> 39) & 511), 8);

	e = (e & 1) ? ram_get(ALIGN_DOWN(e, 4096) + 8 * ((va >> 30) & 511), 8) : 0;
	e = (e & 1) ? ram_get(ALIGN_DOWN(e, 4096) + 8 * ((va >> 21) & 511), 8) : 0;
	return (e & 0x83) == 0x83 ? (ALIGN_DOWN(e, MiB(2)) | (va & (MiB(2) - 1))) : ~0ULL;
}

static void test_bzimage_page_tables_map_4gib_onto_itself(void **state)
{
	struct boot_entry e;
	u8 im[IMAGE_LEN];

	make_image(im);
	assert_int_equal(load(im, sizeof(im), NULL, NULL, &e), 0);
	for (u64 va = 0x1234; va < GiB(4); va += MiB(2))
		assert_int_equal(translate(e.cr3, va), va);
	assert_int_equal(translate(e.cr3, GiB(4)), ~0ULL);
}

static void test_bzimage_gdt_has_long_mode_code_at_0x10(void **state)
{
	struct boot_entry e;
	u8 im[IMAGE_LEN];

	make_image(im);
	assert_int_equal(load(im, sizeof(im), NULL, NULL, &e), 0);
	assert_int_equal(ram_get(X86_BOOT_GDT, 8), 0);
	assert_int_equal(ram_get(X86_BOOT_GDT + 0x10, 8) >> 40 & 0xffff, 0xaf9b);
	assert_int_equal(ram_get(X86_BOOT_GDT + 0x18, 8) >> 40 & 0xffff, 0xcf93);
	assert_int_equal(ram_get(X86_BOOT_GDT + 0x20, 8) >> 40 & 0xff, 0x8b);
}

static void test_bzimage_initrd_goes_high_below_its_limit(void **state)
{
	static const struct { u64 limit, want; } rows[] = {
		{ 0x7fffffff, FAKE_RAM - 8192 },
		{ MiB(16) - 1, MiB(16) - 8192 },
		{ MiB(16) + 99, MiB(16) - 8192 },
		{ PREF + MiB(2) + 8191, PREF + MiB(2) },
	};
	u8 im[IMAGE_LEN], rd[5000];

	memset(rd, 0x5a, sizeof(rd));
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct boot_file f = fake_file("initrd", rd, sizeof(rd));
		struct boot_entry e;

		make_image(im);
		put_le(im + 0x22c, 4, rows[i].limit);
		assert_int_equal(load(im, sizeof(im), NULL, &f, &e), 0);
		assert_int_equal(ram_get(X86_ZERO_PAGE + 0x218, 4), rows[i].want);
		assert_int_equal(ram_get(X86_ZERO_PAGE + 0x21c, 4), sizeof(rd));
		assert_memory_equal(fake.ram + rows[i].want, rd, sizeof(rd));
		boot_close(&f);
	}
}

static void test_bzimage_initrd_too_large_names_memory(void **state)
{
	struct boot_file f;
	struct boot_entry e;
	u8 im[IMAGE_LEN], *rd = calloc(1, MiB(30));

	f = fake_file("initrd", rd, MiB(30));
	make_image(im);
	assert_int_equal(load(im, sizeof(im), NULL, &f, &e), EXIT_NOINPUT);
	assert_string_equal(said, "--initrd initrd: does not fit into 32 MiB, needs at least -m 36M");
	put_le(im + 0x22c, 4, MiB(8));
	assert_int_equal(load(im, sizeof(im), NULL, &f, &e), EXIT_NOINPUT);
	assert_non_null(strstr(said, "more than this kernel can take"));
	assert_int_equal(n_said, 1);
	boot_close(&f);
	free(rd);
}

static void test_bzimage_damaged_gives_one_line_and_65(void **state)
{
	static const struct { const char *what; unsigned off, size; u64 val; const char *say; } rows[] = {
		{ "boot flag", 0x1fe, 2, 0, "damaged bzImage header" },
		{ "old protocol", 0x206, 2, 0x20b, "older than 2.12" },
		{ "32-bit kernel", 0x236, 2, 0, "without a 64-bit entry" },
		{ "short header", 0x201, 1, 0x10, "damaged bzImage header" },
		{ "more sectors than file", 0x1f1, 1, 0xff, "truncated bzImage" },
		{ "four sectors by default", 0x1f1, 1, 0, "truncated bzImage" },
		{ "size 0", 0x1f4, 4, 0, "truncated bzImage" },
		{ "size one more", 0x1f4, 4, PAYLOAD_LEN / 16 + 1, "truncated bzImage" },
		{ "size largest", 0x1f4, 4, 0xffffffff, "truncated bzImage" },
		{ "no entry", 0x1f4, 4, 0x20, "without a 64-bit entry" },
		{ "alignment 0", 0x230, 4, 0, "no power of two" },
		{ "alignment 3", 0x230, 4, 3, "no power of two" },
		{ "alignment 2 GiB", 0x230, 4, 0x80000000, "needs at least -m 2050M" },
		{ "below 1 MiB", 0x258, 8, 0x1000, "outside 1 MiB to 4 GiB" },
		{ "above 4 GiB", 0x258, 8, GiB(4), "outside 1 MiB to 4 GiB" },
		{ "at the end", 0x258, 8, ~0ULL, "outside 1 MiB to 4 GiB" },
		{ "in the hole", 0x258, 8, 0xfee00000, "more than this machine can have" },
		{ "beyond RAM", 0x258, 8, MiB(31), "does not fit into 32 MiB, needs at least -m 34M" },
		{ "huge init size", 0x260, 4, 0xffffffff, "more than this machine can have" },
		{ "large init size", 0x260, 4, MiB(100), "needs at least -m 104M" },
	};
	u8 im[IMAGE_LEN];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct boot_entry e;
		int ret;

		make_image(im);
		put_le(im + rows[i].off, rows[i].size, rows[i].val);
		ret = load(im, sizeof(im), NULL, NULL, &e);
		if (ret != EXIT_NOINPUT || n_said != 1 || !strstr(said, rows[i].say))
			fail_msg("%s: %d, %u lines, \"%s\"", rows[i].what, ret, n_said, said);
	}
}

static void test_bzimage_cut_anywhere_is_refused(void **state)
{
	u8 im[IMAGE_LEN];

	make_image(im);
	for (u64 len = 1; len < sizeof(im); len += len < 0x300 ? 1 : 911) {
		struct boot_entry e;

		assert_int_equal(load(im, len, NULL, NULL, &e), EXIT_NOINPUT);
		assert_int_equal(n_said, 1);
	}
}

static void test_bzimage_signature_behind_is_ignored(void **state)
{
	u8 im[IMAGE_LEN + 500] = { 0 };
	struct boot_entry e;

	make_image(im);
	memset(im + IMAGE_LEN, 0xee, 500);
	assert_int_equal(load(im, sizeof(im), NULL, NULL, &e), 0);
	assert_int_equal(ram_get(PREF + PAYLOAD_LEN, 1), 0);
}

static void test_bzimage_cmdline_length_is_the_kernels(void **state)
{
	char line[2049];
	struct boot_entry e;
	u8 im[IMAGE_LEN];

	make_image(im);
	memset(line, 'a', 2048);
	line[2047] = 0;
	assert_int_equal(load(im, sizeof(im), line, NULL, &e), 0);
	line[2047] = 'a';
	line[2048] = 0;
	assert_int_equal(load(im, sizeof(im), line, NULL, &e), EXIT_USAGE);
	assert_string_equal(said, "--cmdline: 2048 bytes, this kernel takes at most 2047");
}

static void test_bzimage_file_that_shrinks_is_an_error(void **state)
{
	struct boot_entry e;
	u8 im[IMAGE_LEN];
	struct boot_file k;
	struct boot_params p;

	make_image(im);
	k = fake_file("vmlinuz", im, sizeof(im));
	p = fake_params(&k, NULL);
	assert_int_equal(ftruncate(k.fd, 5000), 0);
	assert_int_equal(boot_load_x86_64(&p, &e), EXIT_NOINPUT);
	boot_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bzimage_load_places_kernel_and_zero_page),
		cmocka_unit_test(test_bzimage_page_tables_map_4gib_onto_itself),
		cmocka_unit_test(test_bzimage_gdt_has_long_mode_code_at_0x10),
		cmocka_unit_test(test_bzimage_initrd_goes_high_below_its_limit),
		cmocka_unit_test(test_bzimage_initrd_too_large_names_memory),
		cmocka_unit_test(test_bzimage_damaged_gives_one_line_and_65),
		cmocka_unit_test(test_bzimage_cut_anywhere_is_refused),
		cmocka_unit_test(test_bzimage_signature_behind_is_ignored),
		cmocka_unit_test(test_bzimage_cmdline_length_is_the_kernels),
		cmocka_unit_test(test_bzimage_file_that_shrinks_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, fake_teardown);
}
