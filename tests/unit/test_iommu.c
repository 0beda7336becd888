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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_dmar_bytes_are_as_specified),
		cmocka_unit_test(test_dmar_impossible_description_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
