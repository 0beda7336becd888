/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "acpi/aml.h"

static void test_name_int_each_size_shortest_encoding(void **state)
{
	static const struct {
		u64 val;
		u32 len;
		u8 bytes[9];
	} rows[] = {
		{ 0, 1, { 0x00 } },
		{ 1, 1, { 0x01 } },
		{ 2, 2, { 0x0a, 0x02 } },
		{ 0xff, 2, { 0x0a, 0xff } },
		{ 0x100, 3, { 0x0b, 0x00, 0x01 } },
		{ 0x10000, 5, { 0x0c, 0x00, 0x00, 0x01, 0x00 } },
		{ 0xffffffff, 5, { 0x0c, 0xff, 0xff, 0xff, 0xff } },
		{ 0x100000000, 9, { 0x0e, 0, 0, 0, 0, 1, 0, 0, 0 } },
		{ ~0ULL, 9, { 0x0e, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct aml a;

		aml_init(&a);
		aml_name_int(&a, "AB", rows[i].val);
		assert_int_equal(a.err, 0);
		assert_int_equal(a.len, 5 + rows[i].len);
		assert_memory_equal(a.data, "\x08" "AB__", 5);
		assert_memory_equal(a.data + 5, rows[i].bytes, rows[i].len);
		aml_fini(&a);
	}
}

static void test_device_in_scope_lengths_nest(void **state)
{
	static const u8 want[] = {
		0x10, 0x14, '\\', '_', 'S', 'B', '_',	    /* Scope: 20 bytes from its length on */
		0x5b, 0x82, 0x0c, 'D', 'E', 'V', '_',	    /* Device: 12 */
		0x08, '_', 'H', '_', '_', 0x0d, 0x00,
	};
	struct aml a;
	u32 scope, dev;

	aml_init(&a);
	scope = aml_scope_begin(&a, "\\_SB");
	dev = aml_device_begin(&a, "DEV");
	aml_name_str(&a, "_H", "");
	aml_end(&a, dev);
	aml_end(&a, scope);
	assert_int_equal(a.len, sizeof(want));
	assert_memory_equal(a.data, want, sizeof(want));
	aml_fini(&a);
}

static void test_end_each_body_size_shortest_length(void **state)
{
	static const struct {
		u32 fill, len_bytes, first;
	} rows[] = {
		{ 58, 1, 0x3f },	    { 59, 2, 0x41 },	      { 4089, 2, 0x4f }, { 4090, 3, 0x81 },
		{ 0xfffff - 7, 3, 0x8f }, { 0xfffff - 6, 4, 0xc1 }, { 1 << 21, 4, 0xc8 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 *body = malloc(rows[i].fill);
		struct aml a;
		u32 scope, len;

		memset(body, 0xa5, rows[i].fill);
		aml_init(&a);
		scope = aml_scope_begin(&a, "_SB");
		aml_bytes(&a, body, rows[i].fill);
		aml_end(&a, scope);
		assert_int_equal(a.len, 1 + rows[i].len_bytes + 4 + rows[i].fill);
		assert_int_equal(a.data[1], rows[i].first);
		len = a.data[1] & 0x3f;
		if (rows[i].len_bytes > 1)
			len = (a.data[1] & 0xf) | (u32)get_le(a.data + 2, rows[i].len_bytes - 1) << 4;
		assert_int_equal(len, a.len - 1);
		assert_memory_equal(a.data + 1 + rows[i].len_bytes, "_SB_", 4);
		assert_memory_equal(a.data + 1 + rows[i].len_bytes + 4, body, rows[i].fill);
		aml_fini(&a);
		free(body);
	}
}

static void test_finish_table_sums_to_zero(void **state)
{
	struct aml a;
	u8 *data, sum = 0;
	u32 len;

	aml_init(&a);
	aml_table(&a, "TEST", 3);
	aml_int(&a, 8, 0x1122334455667788);
	assert_int_equal(aml_finish(&a, &data, &len), 0);
	assert_null(a.data);
	assert_int_equal(len, ACPI_HDR_LEN + 8);
	assert_memory_equal(data, "TEST", 4);
	assert_int_equal(get_le(data + 4, 4), len);
	assert_int_equal(data[8], 3);
	assert_int_equal(get_le(data + ACPI_HDR_LEN, 8), 0x1122334455667788);
	for (u32 i = 0; i < len; i++)
		sum += data[i];
	assert_int_equal(sum, 0);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_name_int_each_size_shortest_encoding),
		cmocka_unit_test(test_device_in_scope_lengths_nest),
		cmocka_unit_test(test_end_each_body_size_shortest_length),
		cmocka_unit_test(test_finish_table_sums_to_zero),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
