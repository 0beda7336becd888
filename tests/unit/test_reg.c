/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"
#include "vmm/reg.h"

static const struct reg_desc table[] = {
	{ .name = "ID", .off = 0x0, .size = 4, .reset = 0x1234 },
	{ .name = "CTL", .off = 0x8, .size = 8, .rw = 0xff000000000000ff, .wo = BIT(63 - 8) },
	{ .name = "STS", .off = 0x10, .size = 4, .w1c = 0x0f, .reset = 0x05 },
	{ .name = "MASK", .off = 0x14, .size = 4, .rw = 0xffffffff, .reset = 0x80000000 },
};

static u64 val[ARRAY_SIZE(table)];
static struct reg_file file = { .desc = table, .n = ARRAY_SIZE(table), .sizes = 4 | 8, .val = val };

static unsigned touched;
static u64 last[ARRAY_SIZE(table)];

static void note(void *ctx, unsigned reg, u64 written)
{
	touched |= 1U << reg;
	last[reg] = written;
}

static int setup(void **state)
{
	reg_reset(&file);
	touched = 0;
	return 0;
}

static void wr(u64 off, unsigned size, u64 v)
{
	reg_write(&file, off, size, v, note, NULL);
}

static void test_reg_reset_gives_reset_values(void **state)
{
	assert_int_equal(reg_read(&file, 0, 4), 0x1234);
	assert_int_equal(reg_read(&file, 0x14, 4), 0x80000000);
}

static void test_reg_read_in_pieces_agrees_with_whole(void **state)
{
	wr(8, 8, 0xaa00000000000055);
	assert_int_equal(reg_read(&file, 8, 8), 0xaa00000000000055);
	assert_int_equal(reg_read(&file, 8, 4), 0x55);
	assert_int_equal(reg_read(&file, 12, 4), 0xaa000000);
	assert_int_equal(reg_read(&file, 0x10, 8), 0x8000000000000005);
}

static void test_reg_write_half_keeps_other_half(void **state)
{
	wr(8, 8, ~0ULL);
	wr(12, 4, 0);
	assert_int_equal(reg_read(&file, 8, 8), 0xff);
	wr(8, 4, 0x0f);
	assert_int_equal(reg_read(&file, 8, 8), 0x0f);
}

static void test_reg_write_only_bits_are_told_and_read_zero(void **state)
{
	wr(12, 4, 0x00800000);
	assert_int_equal(last[1], 0x0080000000000000);
	assert_int_equal(reg_read(&file, 8, 8), 0);
}

static void test_reg_write_one_clears(void **state)
{
	wr(0x10, 4, 0x04);
	assert_int_equal(reg_read(&file, 0x10, 4), 0x01);
	wr(0x10, 4, 0x00);
	assert_int_equal(reg_read(&file, 0x10, 4), 0x01);
}

static void test_reg_wide_write_reaches_both_registers(void **state)
{
	wr(0x10, 8, 0x00000007ffffffffULL);
	assert_int_equal(touched, 1U << 2 | 1U << 3);
	assert_int_equal(reg_read(&file, 0x10, 4), 0);
	assert_int_equal(reg_read(&file, 0x14, 4), 7);
}

static void test_reg_read_only_ignores_writes(void **state)
{
	wr(0, 4, 0xffffffff);
	assert_int_equal(reg_read(&file, 0, 4), 0x1234);
}

static void test_reg_bad_access_reads_zero_writes_nothing(void **state)
{
	static const struct { u64 off; unsigned size; } bad[] = {
		{ 0, 1 }, { 0, 2 }, { 0, 16 }, { 0, 0 }, { 2, 4 }, { 4, 8 }, { 0x14, 8 }, { 0x18, 4 }, { 4, 4 }, { ~0ULL, 4 }, { ~0ULL - 3, 4 }, { ~0ULL - 7, 8 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(reg_read(&file, bad[i].off, bad[i].size), 0);
		wr(bad[i].off, bad[i].size, ~0ULL);
	}
	assert_int_equal(touched, 0);
	assert_int_equal(reg_read(&file, 0x14, 4), 0x80000000);
}

static void test_reg_table_fault_finds_each_mistake(void **state)
{
	static const struct reg_desc bad[][2] = {
		{ { .name = "a", .off = 0, .size = 2 }, { .name = "b", .off = 4, .size = 4 } },
		{ { .name = "a", .off = 4, .size = 8 }, { .name = "b", .off = 16, .size = 4 } },
		{ { .name = "a", .off = 0, .size = 8 }, { .name = "b", .off = 4, .size = 4 } },
		{ { .name = "a", .off = 8, .size = 8 }, { .name = "b", .off = 0, .size = 4 } },
		{ { .name = "a", .off = 0, .size = 4, .rw = 3, .w1c = 2 }, { .name = "b", .off = 4, .size = 4 } },
		{ { .name = "a", .off = 0, .size = 4, .reset = BIT(32) }, { .name = "b", .off = 4, .size = 4 } },
		{ { .name = "a", .off = 0, .size = 4 }, { .name = "a", .off = 4, .size = 4 } },
		{ { .name = "a", .off = 0, .size = 4 }, { .name = "b", .off = 0x100, .size = 4 } },
	};

	assert_null(reg_table_fault(table, ARRAY_SIZE(table), 0x100));
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_non_null(reg_table_fault(bad[i], 2, 0x100));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_reg_reset_gives_reset_values, setup),
		cmocka_unit_test_setup(test_reg_read_in_pieces_agrees_with_whole, setup),
		cmocka_unit_test_setup(test_reg_write_half_keeps_other_half, setup),
		cmocka_unit_test_setup(test_reg_write_only_bits_are_told_and_read_zero, setup),
		cmocka_unit_test_setup(test_reg_write_one_clears, setup),
		cmocka_unit_test_setup(test_reg_wide_write_reaches_both_registers, setup),
		cmocka_unit_test_setup(test_reg_read_only_ignores_writes, setup),
		cmocka_unit_test_setup(test_reg_bad_access_reads_zero_writes_nothing, setup),
		cmocka_unit_test_setup(test_reg_table_fault_finds_each_mistake, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
