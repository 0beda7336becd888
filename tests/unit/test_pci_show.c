/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pci_rig.h"
#include "tests/unit/unit.h"

static void test_show_prints_one_line_per_function(void **state)
{
	static const char want[] =
		"00:00.0 1b36:0008 class 060000 host bridge\n"
		"00:10.0 1b36:000c class 060400 root port 10.0, bus 01-01 mem 0xc0000000-0xc00fffff pref 0x180000000-0x1800fffff\n"
		"01:00.0 1234:5678 class ff0000 dev, bar0 0xc0004000+0x1000 32, bar2 0x180000000+0x10000 64 pref, "
		"bar4 0xc0000000+0x4000 64, msix 4\n";
	struct pci_fn *port;
	char *text = NULL;
	size_t len = 0;
	struct rig r;
	FILE *f;

	rig_init(&r);
	assert_int_equal(pci_root_port_create(r.host, 0x10, &port), 0);
	rig_plug(&r, port, 0);
	assert_int_equal(pci_assign(r.host), 0);
	f = open_memstream(&text, &len);
	pci_show(r.host, f);
	fclose(f);
	assert_string_equal(text, want);
	free(text);
	rig_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_show_prints_one_line_per_function),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
