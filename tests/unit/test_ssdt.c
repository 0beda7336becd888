/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "acpi/ssdt.h"
#include "tests/unit/acpi_find.h"
#include "vmm/pci.h"

static struct pci_map map;
static u64 mem64_len;

const struct pci_map *pci_host_map(const struct pci_host *h)
{
	return &map;
}

unsigned pci_host_last_bus(const struct pci_host *h)
{
	return 0;
}

u64 pci_host_mem64_len(const struct pci_host *h)
{
	return mem64_len;
}

static void test_ssdt_windows_as_assigned(void **state)
{
	static const struct {
		gpa_t mem32, mem64;
		u64 len32, len64;
		bool uart;
	} rows[] = {
		{ 0xC0000000, 0x100000000, 0x20000000, 0, true },
		{ 0x80000000, 0x4000000000, 0x40000000, 0x8000000000, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct acpi_x86 x = { .cpus = 1, .uart = rows[i].uart };
		u8 *d;
		u32 len;

		map = (struct pci_map){ .mem32 = rows[i].mem32, .mem32_len = rows[i].len32, .mem64 = rows[i].mem64 };
		mem64_len = rows[i].len64;
		assert_int_equal(ssdt_build_x86(&x, &d, &len), 0);
		assert_int_equal(aml_named_int(d, len, "LBUS"), pci_host_last_bus(NULL));
		assert_int_equal(aml_named_int(d, len, "P32B"), rows[i].mem32);
		assert_int_equal(aml_named_int(d, len, "P32L"), rows[i].len32);
		assert_int_equal(aml_named_int(d, len, "P64B"), rows[i].mem64);
		assert_int_equal(aml_named_int(d, len, "P64L"), rows[i].len64);
		assert_int_equal(aml_named_int(d, len, "UART"), rows[i].uart);
		assert_int_equal(byte_sum(d, len), 0);
		free(d);
	}
}

static void test_ssdt_cpus_one_device_each(void **state)
{
	static const unsigned rows[] = { 1, 2, 17, 64 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct acpi_x86 x = { .cpus = rows[i] };
		unsigned found = 0;
		u8 *d;
		u32 len;

		assert_int_equal(ssdt_build_x86(&x, &d, &len), 0);
		for (u32 o = 0; o + 9 <= len; o++)
			found += memcmp(d + o, "ACPI0007", 9) == 0;
		assert_int_equal(found, rows[i]);
		free(d);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ssdt_windows_as_assigned),
		cmocka_unit_test(test_ssdt_cpus_one_device_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
