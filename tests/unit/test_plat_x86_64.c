/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/acpi_find.h"
#include "vmm/config.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/plat.h"

static struct plat plat;

const struct pci_map *pci_host_map(const struct pci_host *h)
{
	return &plat.pci;
}

unsigned pci_host_last_bus(const struct pci_host *h)
{
	return 0;
}

u64 pci_host_mem64_len(const struct pci_host *h)
{
	return 0;
}

static int init(u64 mem, unsigned cpus, unsigned bits)
{
	struct vm_config c = { .mem_bytes = mem, .cpus = cpus };

	return plat_x86_64_init(&c, bits, &plat);
}

static void test_init_ram_splits_at_3_gib(void **state)
{
	static const struct {
		u64 mem;
		unsigned n;
		u64 low, high;
		gpa_t mem64;
	} rows[] = {
		{ MiB(64), 1, MiB(64), 0, GiB(4) },
		{ GiB(3), 1, GiB(3), 0, GiB(4) },
		{ GiB(3) + 4096, 2, GiB(3), 4096, GiB(5) },
		{ GiB(6), 2, GiB(3), GiB(3), GiB(7) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(init(rows[i].mem, 1, 46), 0);
		assert_int_equal(plat.n_ram, rows[i].n);
		assert_int_equal(plat.ram[0].gpa, 0);
		assert_int_equal(plat.ram[0].len, rows[i].low);
		assert_int_equal(plat.ram[1].len, rows[i].high);
		if (rows[i].high)
			assert_int_equal(plat.ram[1].gpa, GiB(4));
		assert_int_equal(plat.pci.mem64, rows[i].mem64);
		assert_int_equal(plat.pci.mem64_limit, BIT(46));
	}
}

static void test_init_impossible_size_is_refused(void **state)
{
	static const struct {
		u64 mem;
		unsigned cpus, bits;
	} rows[] = {
		{ 0, 1, 46 },	      { MiB(1), 1, 46 },	 { MiB(64) + 1, 1, 46 }, { GiB(64), 1, 36 }, { GiB(63), 1, 36 },
		{ ~0ULL << 12, 1, 46 }, { MiB(64), 0, 46 },	 { MiB(64), 65, 46 },	 { MiB(64), 1, 35 }, { MiB(64), 1, 53 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(init(rows[i].mem, rows[i].cpus, rows[i].bits), -EINVAL);
	assert_int_equal(init(GiB(62), 1, 36), 0);
}

static void test_regions_any_size_ascending_disjoint_and_complete(void **state)
{
	static const u64 rows[] = { MiB(2), MiB(64), GiB(3), GiB(6), GiB(512) };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct boot_region r[PLAT_MAX_REGIONS];
		u64 ram = 0, end = 0;
		bool ecam = false;
		unsigned n;

		assert_int_equal(init(rows[i], 1, 46), 0);
		n = plat_x86_64_regions(&plat, r, ARRAY_SIZE(r));
		for (unsigned k = 0; k < n; k++) {
			assert_true(r[k].gpa >= end);
			assert_true(r[k].len > 0);
			end = r[k].gpa + r[k].len;
			if (r[k].type == 1)
				ram += r[k].len;
			ecam |= r[k].type == 2 && r[k].gpa == X86_ECAM_BASE && r[k].len == X86_ECAM_LEN;
			assert_false(range_overlaps(r[k].gpa, r[k].len, X86_IOAPIC_BASE, 0x1000));
			assert_false(range_overlaps(r[k].gpa, r[k].len, X86_PCI32_BASE, X86_PCI32_LEN));
		}
		assert_true(ecam);
		assert_int_equal(ram, rows[i] - (X86_KERNEL_BASE - X86_EBDA));
	}
}

static void test_regions_short_array_is_not_overrun(void **state)
{
	struct boot_region r[3] = { 0 };

	assert_int_equal(init(GiB(6), 1, 46), 0);
	assert_int_equal(plat_x86_64_regions(&plat, r, 2), 2);
	assert_int_equal(r[2].len, 0);
}

static void test_acpi_each_console_spcr_with_com1_only(void **state)
{
	static const struct {
		struct console_cfg console;
		bool uart;
	} rows[] = {
		{ { .kind = CONSOLE_STDIO }, true },
		{ { .kind = CONSOLE_FILE }, true },
		{ { .kind = CONSOLE_PTY }, true },
		{ { .kind = CONSOLE_OFF }, false },
		{ { .kind = CONSOLE_STDIO, .hvc = true }, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vm_config c = { .mem_bytes = MiB(64), .cpus = 4, .console = rows[i].console };
		struct acpi_tables t;

		assert_int_equal(plat_x86_64_init(&c, 46, &plat), 0);
		assert_int_equal(plat_x86_64_has_uart(&c), rows[i].uart);
		assert_int_equal(plat_x86_64_acpi(&plat, &c, NULL, &t), 0);
		assert_int_equal(acpi_find(&t, "spcr") > 0, rows[i].uart);
		assert_int_equal(t.base, X86_ACPI_BASE);
		acpi_free(&t);
	}
}

static void test_init_cpus_apic_ids_and_intx_lines_in_order(void **state)
{
	assert_int_equal(init(MiB(64), 64, 46), 0);
	for (u32 i = 0; i < 64; i++)
		assert_int_equal(plat.apic_ids[i], i);
	for (u32 i = 0; i < 4; i++)
		assert_int_equal(plat.pci.intx_line[i], X86_GSI_INTX + i);
	assert_null(plat.iommu.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_ram_splits_at_3_gib),
		cmocka_unit_test(test_init_impossible_size_is_refused),
		cmocka_unit_test(test_regions_any_size_ascending_disjoint_and_complete),
		cmocka_unit_test(test_regions_short_array_is_not_overrun),
		cmocka_unit_test(test_acpi_each_console_spcr_with_com1_only),
		cmocka_unit_test(test_init_cpus_apic_ids_and_intx_lines_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
