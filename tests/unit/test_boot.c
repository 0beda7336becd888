/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <sys/stat.h>

#include "boot_fake.h"

static char dir[] = "/tmp/nidus-boot-XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	fake_teardown(state);
	return rmdir(dir);
}

static void test_boot_open_refuses_what_is_no_file(void **state)
{
	char path[64], fifo[64], empty[64];
	struct boot_file f;
	int fd;

	snprintf(path, sizeof(path), "%s/none", dir);
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	snprintf(empty, sizeof(empty), "%s/empty", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	fd = open(empty, O_CREAT | O_WRONLY, 0600);
	close(fd);
	n_said = 0;
	assert_int_equal(boot_open("--kernel", path, -1, &f), EXIT_NOINPUT);
	assert_non_null(strstr(said, "/none: No such file"));
	assert_int_equal(boot_open("--kernel", dir, -1, &f), EXIT_NOINPUT);
	assert_non_null(strstr(said, "is a directory"));
	assert_int_equal(boot_open("--kernel", fifo, -1, &f), EXIT_NOINPUT);
	assert_non_null(strstr(said, "is not a regular file"));
	assert_int_equal(boot_open("--initrd", empty, -1, &f), EXIT_NOINPUT);
	assert_non_null(strstr(said, "--initrd"));
	assert_non_null(strstr(said, "is empty"));
	assert_int_equal(boot_open("--kernel", "fd:999", 999, &f), EXIT_NOINPUT);
	assert_non_null(strstr(said, "fd:999"));
	assert_int_equal(n_said, 5);
	unlink(fifo);
	unlink(empty);
}

static void test_boot_open_descriptor_is_duplicated(void **state)
{
	struct boot_file k = fake_file("k", "abc", 3), f;
	char c;

	assert_int_equal(boot_open("--kernel", "fd:5", k.fd, &f), 0);
	assert_int_not_equal(f.fd, k.fd);
	assert_int_equal(f.size, 3);
	boot_close(&f);
	assert_int_equal(f.fd, -1);
	boot_close(&f);
	assert_int_equal(boot_pread(&k, 2, &c, 1), 0);
	assert_int_equal(c, 'c');
	assert_int_equal(boot_pread(&k, 2, &c, 2), -EIO);
	boot_close(&k);
}

static void test_boot_load_foreign_image_is_named(void **state)
{
	static const struct { unsigned off; const char *magic; unsigned len; const char *say; } rows[] = {
		{ 0x38, "ARM\x64", 4, "arm64" }, { 0, "\x1f\x8b\x08", 3, "gzip" }, { 0, "BZh9", 4, "bzip2" },
		{ 0, "\x28\xb5\x2f\xfd", 4, "zstd" }, { 0, "MZ", 2, "EFI program" }, { 0, "hello", 5, "no kernel image" },
		{ 4, "zimg", 4, "zboot" }, { 0x38, "RSC\x05", 4, "riscv" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 im[600] = { 0 };
		struct boot_file k;
		struct boot_params p;
		struct boot_entry e;

		memcpy(im + rows[i].off, rows[i].magic, rows[i].len);
		k = fake_file("file", im, sizeof(im));
		p = fake_params(&k, NULL);
		assert_int_equal(boot_load_x86_64(&p, &e), EXIT_NOINPUT);
		assert_int_equal(n_said, 1);
		assert_non_null(strstr(said, rows[i].say));
		boot_close(&k);
	}
}

static void test_boot_low_ram_end_without_map_is_zero(void **state)
{
	struct boot_params p = fake_params(NULL, NULL);

	assert_int_equal(boot_low_ram_end(&p), FAKE_RAM);
	p.n_map = 2;
	assert_int_equal(boot_low_ram_end(&p), 0);
}

static void test_boot_put_outside_ram_is_internal(void **state)
{
	struct boot_params p = fake_params(NULL, NULL);
	struct boot_file f = fake_file("f", "abcd", 4);

	assert_int_equal(boot_put(&p, FAKE_RAM - 1, "ab", 2), EXIT_INTERNAL);
	assert_int_equal(boot_copy_in(&p, &f, 0, FAKE_RAM - 1, 4), EXIT_INTERNAL);
	assert_int_equal(boot_copy_in(&p, &f, 0, FAKE_RAM - 4, 4), 0);
	assert_int_equal(boot_copy_in(&p, &f, 0, FAKE_RAM, 0), 0);
	assert_int_equal(boot_copy_in(&p, &f, 2, 0, 4), EXIT_NOINPUT);
	boot_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_boot_open_refuses_what_is_no_file),
		cmocka_unit_test(test_boot_open_descriptor_is_duplicated),
		cmocka_unit_test(test_boot_load_foreign_image_is_named),
		cmocka_unit_test(test_boot_low_ram_end_without_map_is_zero),
		cmocka_unit_test(test_boot_put_outside_ram_is_internal),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
