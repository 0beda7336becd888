/* SPDX-License-Identifier: Apache-2.0 */
#include "acpi/iommu.h"
#include "tests/unit/unit.h"

static const struct dmar_scope own[] = { { false, 0, 0x08 }, { false, 0, 0x11 } };
static const struct dmar_scope ports[] = { { true, 0, 0x80 } };

static void test_dmar_bytes_are_as_specified(void **state)
{
	static const u8 body[] = {
		/* from offset 36: width - 1, flags, reserved */
		45, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* DRHD of 32 bytes at 0xFEB00000: endpoints 00:01.0 and 00:02.1 */
		0, 0, 32, 0, 0, 0, 0, 0, 0x00, 0x00, 0xb0, 0xfe, 0, 0, 0, 0,
		1, 8, 0, 0, 0, 0, 1, 0,
		1, 8, 0, 0, 0, 0, 2, 1,
		/* DRHD of 24 bytes at 0xFEB01000: what is below root port 00:10.0 */
		0, 0, 24, 0, 0, 0, 0, 0, 0x00, 0x10, 0xb0, 0xfe, 0, 0, 0, 0,
		2, 8, 0, 0, 0, 0, 16, 0,
	};
	const struct dmar_unit units[] = { { 0xFEB00000, own, ARRAY_SIZE(own) }, { 0xFEB01000, ports, ARRAY_SIZE(ports) } };
	u8 *data = NULL, sum = 0;
	u32 len = 0;

	assert_int_equal(dmar_build(46, units, 2, &data, &len), 0);
	assert_int_equal(len, 36 + sizeof(body));
	assert_memory_equal(data, "DMAR", 4);
	assert_int_equal(get_le(data + 4, 4), len);
	assert_int_equal(data[8], 1);
	assert_memory_equal(data + 36, body, sizeof(body));
	for (u32 i = 0; i < len; i++)
		sum += data[i];
	assert_int_equal(sum, 0);
	free(data);
}

static void test_dmar_impossible_description_is_refused(void **state)
{
	static const struct dmar_unit good = { 0xFEB00000, own, 1 };
	static const struct dmar_unit bad[] = { { 0xFEB00800, own, 1 }, { 0xFEB00000, own, 0 }, { 0xFEB00000, own, DMAR_MAX_SCOPES + 1 } };
	u8 *data = NULL;
	u32 len;

	assert_int_equal(dmar_build(11, &good, 1, &data, &len), -EINVAL);
	assert_int_equal(dmar_build(65, &good, 1, &data, &len), -EINVAL);
	assert_int_equal(dmar_build(46, &good, 0, &data, &len), -EINVAL);
	assert_int_equal(dmar_build(46, &good, DMAR_MAX_UNITS + 1, &data, &len), -EINVAL);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(dmar_build(46, &bad[i], 1, &data, &len), -EINVAL);
	assert_null(data);
}

static void test_amdvi_bad_34_ivrs_bytes_are_as_specified(void **state)
{
	static const u8 body[] = {
		/* from offset 36: EFRSup, 48-bit guest and virtual addresses, 46 physical; reserved */
		0x41, 0x2e, 0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* IVHD 11h, coherent, 48 bytes, 00:1d.0, capability 40h, 0xFEB00000, segment, info */
		0x11, 0x20, 48, 0, 0xe8, 0, 0x40, 0, 0x00, 0x00, 0xb0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0,
		/* HATDis, features */
		1, 0, 0, 0, 0xd0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* 00:01.0, 05:00.0 */
		2, 0x08, 0x00, 0, 2, 0x00, 0x05, 0,
		/* a second one, 44 bytes, at 00:1d.1 */
		0x11, 0x20, 44, 0, 0xe9, 0, 0x40, 0, 0x00, 0x40, 0xb0, 0xfe, 0, 0, 0, 0, 0, 0, 0, 0,
		1, 0, 0, 0, 0xd0, 0x10, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		2, 0x11, 0x00, 0,
	};
	static const u16 first[] = { 0x0008, 0x0500 }, second[] = { 0x0011 };
	const struct ivrs_unit units[] = {
		{ 0xe8, 0x40, 0xFEB00000, 0x00010000000000D0, 0, first, 2 }, { 0xe9, 0x40, 0xFEB04000, 0x00010000000010D0, 0, second, 1 },
	};
	u8 *data = NULL, sum = 0;
	u32 len = 0;

	assert_int_equal(ivrs_build(46, units, 2, &data, &len), 0);
	assert_int_equal(len, 36 + sizeof(body));
	assert_memory_equal(data, "IVRS", 4);
	assert_int_equal(get_le(data + 4, 4), len);
	assert_int_equal(data[8], 2);
	assert_memory_equal(data + 36, body, sizeof(body));
	for (u32 i = 0; i < len; i++)
		sum += data[i];
	assert_int_equal(sum, 0);
	free(data);
}

/* Whatever is asked for: blocks tile the table to its end, and none is empty, which a guest would loop on. */
static void test_amdvi_bad_34_ivrs_of_any_description_is_whole_or_refused(void **state)
{
	u64 seed = 4711;

	for (unsigned round = 0; round < 2000; round++) {
		u16 devs[IVRS_MAX_DEVS + 1];
		struct ivrs_unit units[IVRS_MAX_UNITS + 1];
		unsigned n = (unsigned)(rnd(&seed) % (IVRS_MAX_UNITS + 2)), blocks = 0;
		u8 haw = (u8)(rnd(&seed) % 70), *data = NULL, sum = 0;
		bool good = haw >= 12 && haw <= 64 && n >= 1 && n <= IVRS_MAX_UNITS;
		u32 len = 0, at = 48;

		for (unsigned i = 0; i < ARRAY_SIZE(devs); i++)
			devs[i] = (u16)rnd(&seed);
		for (unsigned i = 0; i < MIN(n, IVRS_MAX_UNITS + 1); i++) {
			units[i] = (struct ivrs_unit){ (u16)rnd(&seed), (u16)rnd(&seed), rnd(&seed) % 16 ? rnd(&seed) << 14 : rnd(&seed), rnd(&seed),
						       rnd(&seed), devs, (unsigned)(rnd(&seed) % (IVRS_MAX_DEVS + 2)) };
			good &= IS_ALIGNED(units[i].base, KiB(16)) && units[i].n_devs >= 1 && units[i].n_devs <= IVRS_MAX_DEVS;
		}
		assert_int_equal(ivrs_build(haw, units, n, &data, &len), good ? 0 : -EINVAL);
		if (!good) {
			assert_null(data);
			continue;
		}
		for (u32 i = 0; i < len; i++)
			sum += data[i];
		assert_int_equal(sum, 0);
		for (; at < len; blocks++) {
			assert_int_equal(data[at], 0x11);
			assert_int_equal(data[at + 20] & 1, 1);
			assert_int_equal(get_le(data + at + 2, 2), 40 + 4 * units[blocks].n_devs);
			at += (u32)get_le(data + at + 2, 2);
		}
		assert_int_equal(at, len);
		assert_int_equal(blocks, n);
		free(data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmar_bytes_are_as_specified),
		cmocka_unit_test(test_dmar_impossible_description_is_refused),
		cmocka_unit_test(test_amdvi_bad_34_ivrs_bytes_are_as_specified),
		cmocka_unit_test(test_amdvi_bad_34_ivrs_of_any_description_is_whole_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
