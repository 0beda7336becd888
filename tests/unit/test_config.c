/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "vmm/config.h"

#define ALL "console=ttyS0 panic=-1 reboot=panic_warm"

static const struct {
	const char *user, *want;
	enum console_kind console;
	bool raw, hvc;
	enum arch arch;
} rows[] = {
	{ .user = NULL, .want = ALL },
	{ .user = "", .want = ALL },
	{ .user = "root=/dev/vda", .want = ALL " root=/dev/vda" },
	{ .user = "console=tty0 ro", .want = "panic=-1 reboot=panic_warm console=tty0 ro" },
	{ .user = "ro\tpanic=5", .want = "console=ttyS0 reboot=panic_warm ro\tpanic=5" },
	{ .user = "reboot=t panic=0 console=hvc0", .want = "reboot=t panic=0 console=hvc0" },
	/* Other parameters whose name only begins alike, and flags without value. */
	{ .user = "panic_on_oops=1 consoleblank=0 panic", .want = ALL " panic_on_oops=1 consoleblank=0 panic" },
	/* Inside another value, or behind "--", it is not the kernel's parameter. */
	{ .user = "x=\"a console=ttyS1 b\"", .want = ALL " x=\"a console=ttyS1 b\"" },
	{ .user = "ro -- console=x panic=1", .want = ALL " ro -- console=x panic=1" },
	{ .user = "\"console=ttyS1,9600 x\"", .want = "panic=-1 reboot=panic_warm \"console=ttyS1,9600 x\"" },
	{ .user = "dyndbg=\"file x +p", .want = ALL " dyndbg=\"file x +p" },
	{ .user = "ro", .want = "panic=-1 reboot=panic_warm ro", .console = CONSOLE_OFF },
	{ .user = NULL, .want = "panic=-1 reboot=panic_warm", .console = CONSOLE_OFF },
	{ .user = "ro", .want = "ro", .raw = true },
	{ .user = NULL, .want = "", .raw = true },
	{ .user = NULL, .want = "console=hvc0 panic=-1 reboot=panic_warm", .hvc = true },
	{ .user = NULL, .want = "console=ttyAMA0 panic=-1 reboot=panic_warm", .arch = ARCH_ARM64 },
};

static void test_config_cmdline_additions(void **state)
{
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c;
		char *out;

		config_init(&c);
		c.arch = rows[i].arch;
		c.cmdline = rows[i].user ? strdup(rows[i].user) : NULL;
		c.raw_cmdline = rows[i].raw;
		c.console.kind = rows[i].console;
		c.console.hvc = rows[i].hvc;
		assert_int_equal(config_cmdline(&c, &out), 0);
		assert_string_equal(out, rows[i].want);
		free(out);
		config_free(&c);
	}
}

static void test_config_check_without_kernel_is_usage(void **state)
{
	struct vm_config c;

	config_init(&c);
	assert_int_equal(config_check(&c), EXIT_USAGE);
	c.kernel.path = strdup("k");
	assert_int_equal(config_check(&c), 0);
	c.console.kind = CONSOLE_FILE;
	assert_int_equal(config_check(&c), EXIT_USAGE);
	config_free(&c);
}

static void test_config_check_one_id_for_two_kinds_is_usage(void **state)
{
	char *argv[] = { "-k", "k", "-d", "d,id=a", "-n", "tap=t,id=b", "--vfio", "01:00.0,id=a" };
	struct vm_config c;
	bool h;

	config_init(&c);
	assert_int_equal(config_parse(&c, 6, argv, &h), 0);
	assert_int_equal(config_check(&c), 0);
	config_free(&c);
	assert_int_equal(config_parse(&c, 8, argv, &h), 0);
	assert_int_equal(config_check(&c), EXIT_USAGE);
	config_free(&c);
}

static void test_config_check_closed_descriptor_is_noinput(void **state)
{
	struct vm_config c;

	config_init(&c);
	c.kernel.path = strdup("k");
	c.ready_fd = 2;
	assert_int_equal(config_check(&c), 0);
	c.ready_fd = 999999;
	assert_int_equal(config_check(&c), EXIT_NOINPUT);
	c.ready_fd = -1;
	c.kvm_fd = 999999;
	assert_int_equal(config_check(&c), EXIT_NOINPUT);
	c.kvm_fd = -1;
	c.iommufd_fd = 999999;
	assert_int_equal(config_check(&c), EXIT_NOINPUT);
	config_free(&c);
}

static void test_config_parse_reports_help_and_errors(void **state)
{
	char *good[] = { "-k", "x" }, *help[] = { "--help" }, *wrong[] = { "--nope" };
	struct vm_config c;
	bool h;

	config_init(&c);
	assert_int_equal(config_parse(&c, 2, good, &h), 0);
	assert_false(h);
	assert_int_equal(config_parse(&c, 1, help, &h), 0);
	assert_true(h);
	assert_int_equal(config_parse(&c, 1, wrong, &h), EXIT_USAGE);
	config_free(&c);
}

static void test_config_json_is_text(void **state)
{
	struct vm_config c;
	char *text;

	config_init(&c);
	text = config_json(&c);
	assert_non_null(text);
	assert_non_null(strstr(text, "\"version\": 1"));
	free(text);
	config_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_config_cmdline_additions),
		cmocka_unit_test(test_config_check_without_kernel_is_usage),
		cmocka_unit_test(test_config_check_one_id_for_two_kinds_is_usage),
		cmocka_unit_test(test_config_check_closed_descriptor_is_noinput),
		cmocka_unit_test(test_config_parse_reports_help_and_errors),
		cmocka_unit_test(test_config_json_is_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
