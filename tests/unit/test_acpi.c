/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "acpi/acpi.h"
#include "tests/unit/acpi_find.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/pci.h"

static const struct pci_map map = {
	.ecam = 0xE0000000, .buses = 256, .mem32 = 0xC0000000, .mem32_len = 0x20000000, .mem64 = 0x100000000, .mem64_limit = 1ULL << 40,
};

const struct pci_map *pci_host_map(const struct pci_host *h)
{
	return &map;
}

unsigned pci_host_last_bus(const struct pci_host *h)
{
	return 3;
}

u64 pci_host_mem64_len(const struct pci_host *h)
{
	return 0x40000000;
}

static u32 ids[64];

static struct acpi_x86 machine(unsigned cpus)
{
	for (u32 i = 0; i < ARRAY_SIZE(ids); i++)
		ids[i] = i;
	return (struct acpi_x86){ .cpus = cpus, .apic_ids = ids, .uart = true };
}

static struct acpi_tables build(const struct acpi_x86 *x)
{
	struct acpi_tables t;

	assert_int_equal(acpi_build_x86(x, X86_ACPI_BASE, X86_ACPI_LEN, &t), 0);
	return t;
}

static const u8 *table(const struct acpi_tables *t, const char *name)
{
	int i = acpi_find(t, name);

	assert_true(i >= 0);
	return t->t[i].data;
}

static gpa_t addr_of(const struct acpi_tables *t, const char *name)
{
	int i = acpi_find(t, name);

	assert_true(i >= 0);
	return X86_ACPI_BASE + t->offset[i];
}

static void test_tables_cpus_1_to_64_checksums_lengths_and_places(void **state)
{
	for (unsigned cpus = 1; cpus <= 64; cpus++) {
		struct acpi_x86 x = machine(cpus);
		struct acpi_tables t = build(&x);
		u32 end = 0;

		assert_string_equal(t.t[0].name, "rsdp");
		assert_int_equal(t.offset[0], 0);
		assert_int_equal(byte_sum(t.t[0].data, 20), 0);
		assert_int_equal(byte_sum(t.t[0].data, 36), 0);
		for (unsigned i = 0; i < t.n; i++) {
			assert_true(t.offset[i] >= end);
			assert_int_equal(t.offset[i] % 16, 0);
			end = t.offset[i] + t.t[i].len;
			assert_int_equal(byte_sum(t.t[i].data, t.t[i].len), 0);
			if (i)
				assert_int_equal(get_le(t.t[i].data + 4, 4), t.t[i].len);
		}
		assert_int_equal(t.total, end);
		assert_true(t.total <= X86_ACPI_LEN);
		acpi_free(&t);
		assert_int_equal(t.n, 0);
	}
}

static void test_xsdt_names_every_table_but_dsdt(void **state)
{
	static const char *const names[] = { "facp", "ssdt", "apic", "mcfg", "spcr" };
	struct acpi_x86 x = machine(2);
	struct acpi_tables t = build(&x);
	const u8 *xsdt = table(&t, "xsdt");

	assert_int_equal(get_le(table(&t, "rsdp") + 24, 8), addr_of(&t, "xsdt"));
	assert_int_equal(get_le(table(&t, "rsdp") + 16, 4), 0);
	assert_int_equal(get_le(xsdt + 4, 4), 36 + 8 * ARRAY_SIZE(names));
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_int_equal(get_le(xsdt + 36 + 8 * i, 8), addr_of(&t, names[i]));
	acpi_free(&t);
}

static void test_fadt_fields_hardware_reduced(void **state)
{
	static const struct {
		unsigned off, size;
		u64 val;
	} rows[] = {
		{ 4, 4, 276 },		  { 8, 1, 6 },			 { 131, 1, 3 },
		{ 109, 2, 0x24 },	  { 112, 4, 0x100471 },		 { 116, 4, 0x01000801 },
		{ 120, 8, X86_RESET_PORT }, { 128, 1, X86_RESET_VALUE }, { 244, 4, 0x01000801 },
		{ 248, 8, X86_SLEEP_CTRL_PORT }, { 256, 4, 0x01000801 }, { 260, 8, X86_SLEEP_STATUS_PORT },
		{ 46, 2, 0 },		  { 48, 4, 0 },			 { 36, 4, 0 },
	};
	struct acpi_x86 x = machine(1);
	struct acpi_tables t = build(&x);
	const u8 *f = table(&t, "facp");

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(get_le(f + rows[i].off, rows[i].size), rows[i].val);
	assert_int_equal(get_le(f + 40, 4), addr_of(&t, "dsdt"));
	assert_int_equal(get_le(f + 140, 8), addr_of(&t, "dsdt"));
	acpi_free(&t);
}

struct madt_count {
	unsigned lapic, x2apic, ioapic, nmi, x2nmi, other;
};

static struct madt_count count_madt(const u8 *m)
{
	struct madt_count c = { 0 };
	u32 len = (u32)get_le(m + 4, 4), o = 44;

	while (o < len) {
		assert_true(o + 2 <= len && m[o + 1] >= 2 && o + m[o + 1] <= len);
		switch (m[o]) {
		case 0:
			assert_int_equal(m[o + 1], 8);
			assert_int_equal(ids[m[o + 2]], m[o + 3]);
			assert_int_equal(get_le(m + o + 4, 4), 1);
			c.lapic++;
			break;
		case 1:
			assert_int_equal(m[o + 1], 12);
			assert_int_equal(get_le(m + o + 4, 4), X86_IOAPIC_BASE);
			assert_int_equal(get_le(m + o + 8, 4), 0);
			c.ioapic++;
			break;
		case 4:
			c.nmi++;
			break;
		case 9:
			assert_int_equal(m[o + 1], 16);
			assert_int_equal(ids[get_le(m + o + 12, 4)], get_le(m + o + 4, 4));
			c.x2apic++;
			break;
		case 10:
			assert_int_equal(m[o + 1], 12);
			c.x2nmi++;
			break;
		default:
			c.other++;
		}
		o += m[o + 1];
	}
	return c;
}

static void test_madt_entries_one_per_cpu(void **state)
{
	static const struct {
		unsigned cpus;
		u32 last_id;
		struct madt_count want;
	} rows[] = {
		{ 1, 0, { .lapic = 1, .ioapic = 1, .nmi = 1 } },
		{ 64, 63, { .lapic = 64, .ioapic = 1, .nmi = 1 } },
		{ 2, 254, { .lapic = 2, .ioapic = 1, .nmi = 1 } },
		{ 2, 255, { .lapic = 1, .x2apic = 1, .ioapic = 1, .nmi = 1, .x2nmi = 1 } },
		{ 3, 100000, { .lapic = 2, .x2apic = 1, .ioapic = 1, .nmi = 1, .x2nmi = 1 } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct acpi_x86 x = machine(rows[i].cpus);
		struct acpi_tables t;
		struct madt_count got;

		ids[rows[i].cpus - 1] = rows[i].last_id;
		t = build(&x);
		got = count_madt(table(&t, "apic"));
		assert_memory_equal(&got, &rows[i].want, sizeof(got));
		assert_int_equal(get_le(table(&t, "apic") + 36, 4), X86_LAPIC_BASE);
		assert_int_equal(get_le(table(&t, "apic") + 40, 4), 0);
		acpi_free(&t);
	}
}

static void test_mcfg_names_the_buses_there_are(void **state)
{
	struct acpi_x86 x = machine(1);
	struct acpi_tables t = build(&x);
	const u8 *m = table(&t, "mcfg");

	assert_int_equal(get_le(m + 4, 4), 60);
	assert_int_equal(get_le(m + 44, 8), map.ecam);
	assert_int_equal(m[54], 0);
	assert_int_equal(m[55], 3);
	acpi_free(&t);
}

static void test_spcr_com1_or_absent_without_uart(void **state)
{
	struct acpi_x86 x = machine(1);
	struct acpi_tables t = build(&x);
	const u8 *s = table(&t, "spcr");

	assert_int_equal(get_le(s + 4, 4), 80);
	assert_int_equal(s[36], 0);
	assert_int_equal(get_le(s + 40, 4), 0x01000801);
	assert_int_equal(get_le(s + 44, 8), X86_COM1_PORT);
	assert_int_equal(get_le(s + 54, 4), X86_GSI_COM1);
	assert_int_equal(s[58], 7);
	acpi_free(&t);
	x.uart = false;
	t = build(&x);
	assert_int_equal(acpi_find(&t, "spcr"), -1);
	acpi_free(&t);
}

static void test_iommu_table_added_as_given(void **state)
{
	u8 dmar[48] = "DMAR\x30";
	struct acpi_x86 x = machine(1);
	struct acpi_tables t;
	int i;

	dmar[9] = (u8)-byte_sum(dmar, sizeof(dmar));
	x.iommu = (struct acpi_blob){ dmar, sizeof(dmar) };
	t = build(&x);
	i = acpi_find(&t, "dmar");
	assert_true(i > 0);
	assert_int_equal(t.t[i].len, sizeof(dmar));
	assert_memory_equal(t.t[i].data, dmar, sizeof(dmar));
	assert_int_equal(get_le(table(&t, "xsdt") + 36 + 8 * 5, 8), addr_of(&t, "dmar"));
	acpi_free(&t);
	x.iommu.len = 35;
	assert_int_equal(acpi_build_x86(&x, X86_ACPI_BASE, X86_ACPI_LEN, &t), -EINVAL);
}

static void test_build_area_too_small_is_refused(void **state)
{
	struct acpi_x86 x = machine(64);
	struct acpi_tables t = build(&x), none;
	u32 total = t.total;

	acpi_free(&t);
	assert_int_equal(acpi_build_x86(&x, X86_ACPI_BASE, total - 1, &none), -E2BIG);
	assert_int_equal(acpi_build_x86(&x, X86_ACPI_BASE, total, &none), 0);
	acpi_free(&none);
}

static void test_write_dir_new_or_existing_one_file_each(void **state)
{
	char dir[] = "/tmp/nidus-acpi-XXXXXX", sub[64], path[96];
	struct acpi_x86 x = machine(1);
	struct acpi_tables t = build(&x);

	assert_non_null(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/out", dir);
	for (int round = 0; round < 2; round++) {
		assert_int_equal(acpi_write_dir(&t, sub), 0);
		for (unsigned i = 0; i < t.n; i++) {
			struct stat st;

			snprintf(path, sizeof(path), "%s/%s.dat", sub, t.t[i].name);
			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(st.st_size, t.t[i].len);
			if (round)
				unlink(path);
		}
	}
	rmdir(sub);
	snprintf(sub, sizeof(sub), "%s/no/such", dir);
	assert_int_equal(acpi_write_dir(&t, sub), -ENOENT);
	rmdir(dir);
	acpi_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tables_cpus_1_to_64_checksums_lengths_and_places),
		cmocka_unit_test(test_xsdt_names_every_table_but_dsdt),
		cmocka_unit_test(test_fadt_fields_hardware_reduced),
		cmocka_unit_test(test_madt_entries_one_per_cpu),
		cmocka_unit_test(test_mcfg_names_the_buses_there_are),
		cmocka_unit_test(test_spcr_com1_or_absent_without_uart),
		cmocka_unit_test(test_iommu_table_added_as_given),
		cmocka_unit_test(test_build_area_too_small_is_refused),
		cmocka_unit_test(test_write_dir_new_or_existing_one_file_each),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
