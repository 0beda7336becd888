/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/show.h"

static char *printed(const char *what, const struct vm_config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	assert_int_equal(show_print(f, what, c), 0);
	fclose(f);
	return text;
}

static void test_print_each_subject_says_what_matters(void **state)
{
	static const struct {
		const char *what, *want[6];
	} rows[] = {
		{ "memmap", { "0x000000000000-0x00000009fbff     639 KiB  RAM\n", "0x0000e0000000-0x0000efffffff     256 MiB  ECAM (reserved)\n",
			      "0x000100000000-0x0001bfffffff       3 GiB  RAM\n", "  0x03f8-0x03ff  ", "  9    power button", "ioapic" } },
		{ "pci", { "00:00.0 ", "00:01.0 1af4:", "00:1e.0 1b36:0011" } },
		{ "acpi", { "RSDP @ 0x00000000000e0000\n    0000: 52 53 44 20 50 54 52 20", "  RSD PTR ", "DSDT @ 0x", "SPCR @ 0x", "FACP @ 0x" } },
		{ "config", { "\"version\"" } },
	};
	struct vm_config c;

	config_init(&c);
	c.mem_bytes = GiB(6);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char *text = printed(rows[i].what, &c);

		for (size_t k = 0; k < ARRAY_SIZE(rows[i].want) && rows[i].want[k]; k++) {
			if (!strstr(text, rows[i].want[k]))
				fail_msg("show %s lacks \"%s\":\n%s", rows[i].what, rows[i].want[k], text);
		}
		free(text);
	}
	config_free(&c);
}

static void test_print_memmap_has_no_com1_without_a_console(void **state)
{
	struct vm_config c;
	char *text;

	config_init(&c);
	text = printed("memmap", &c);
	assert_non_null(strstr(text, "  4    COM1"));
	free(text);
	c.console.kind = CONSOLE_OFF;
	text = printed("memmap", &c);
	assert_null(strstr(text, "COM1"));
	assert_non_null(strstr(text, "interrupt lines\n  9    power button"));
	free(text);
	config_free(&c);
}

static void test_main_unknown_subject_or_arch_is_a_usage_error(void **state)
{
	struct vm_config c;

	config_init(&c);
	assert_int_equal(show_main("nothing", &c, NULL), EXIT_USAGE);
	assert_int_equal(show_main("nothing", &c, "/no/such"), EXIT_USAGE);
	c.arch = ARCH_ARM64;
	assert_int_equal(show_main("acpi", &c, NULL), EXIT_USAGE);
	config_free(&c);
}

static void test_main_out_dir_writes_files(void **state)
{
	static const struct {
		const char *what, *file;
	} rows[] = {
		{ "acpi", "dsdt.dat" }, { "acpi", "rsdp.dat" }, { "memmap", "memmap.txt" }, { "pci", "pci.txt" }, { "config", "config.json" },
	};
	static const char *const all[] = { "rsdp", "dsdt", "facp", "ssdt", "apic", "mcfg", "spcr", "xsdt" };
	char dir[] = "/tmp/nidus-show-XXXXXX", path[64];
	struct vm_config c;

	config_init(&c);
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stat st;

		assert_int_equal(show_main(rows[i].what, &c, dir), 0);
		snprintf(path, sizeof(path), "%s/%s", dir, rows[i].file);
		assert_int_equal(stat(path, &st), 0);
		assert_true(st.st_size > 0);
	}
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		snprintf(path, sizeof(path), "%s/%s.dat", dir, all[i]);
		assert_int_equal(unlink(path), 0);
	}
	for (size_t i = 2; i < ARRAY_SIZE(rows); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, rows[i].file);
		unlink(path);
	}
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(show_main("pci", &c, "/no/such/folder"), EXIT_NOINPUT);
	assert_int_equal(show_main("acpi", &c, "/no/such/folder"), EXIT_NOINPUT);
	config_free(&c);
}

static void test_print_full_device_is_an_error(void **state)
{
	FILE *f = fopen("/dev/full", "w");
	struct vm_config c;

	if (!f)
		skip();
	config_init(&c);
	assert_int_equal(show_print(f, "memmap", &c), EXIT_HOST);
	fclose(f);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_print_each_subject_says_what_matters),
		cmocka_unit_test(test_print_memmap_has_no_com1_without_a_console),
		cmocka_unit_test(test_main_unknown_subject_or_arch_is_a_usage_error),
		cmocka_unit_test(test_main_out_dir_writes_files),
		cmocka_unit_test(test_print_full_device_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
