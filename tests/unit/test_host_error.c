/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "vmm/config.h"
#include "vmm/host_error.h"

static void test_host_error_names_limits_and_tells_whose_fault(void **state)
{
	static const struct {
		int err, status;
		const char *has;
	} rows[] = {
		{ -EMFILE, EXIT_HOST, "ulimit -n" },
		{ -ENFILE, EXIT_HOST, "fs.file-max" },
		{ -ENOMEM, EXIT_HOST, "memory" },
		{ -ENOENT, EXIT_NOINPUT, "No such file" },
		{ -EACCES, EXIT_NOINPUT, "Permission denied" },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_non_null(strstr(host_error_text(rows[i].err), rows[i].has));
		assert_int_equal(host_error_status(rows[i].err), rows[i].status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_host_error_names_limits_and_tells_whose_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
