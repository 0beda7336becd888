/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/unit.h"

#include "vmm/option_values.h"

static void test_numbers(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		u64 want;
	} rows[] = {
		{ "0", true, 0 }, { "18446744073709551615", true, UINT64_MAX }, { "18446744073709551616", false, 0 }, { "", false, 0 },
		{ "-1", false, 0 }, { "+1", false, 0 }, { " 1", false, 0 }, { "1 ", false, 0 }, { "0x10", false, 0 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 v = 0;

		assert_int_equal(option_parse_number(rows[i].text, &v), rows[i].ok);
		assert_true(!rows[i].ok || v == rows[i].want);
	}
}

static void test_sizes_there_and_back(void **state)
{
	static const struct {
		const char *text;
		u64 want;
		const char *back; /* NULL: not a size */
	} rows[] = {
		{ "512", MiB(512), "512M" }, { "4k", KiB(4), "4K" }, { "2048K", MiB(2), "2M" }, { "3G", GiB(3), "3G" }, { "1025M", MiB(1025), "1025M" },
		{ "1T", 0, NULL }, { "1GB", 0, NULL }, { "G", 0, NULL }, { "17179869184G", 0, NULL },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		char buf[24];
		u64 v = 0;

		assert_int_equal(option_parse_size(rows[i].text, &v), rows[i].back != NULL);
		if (!rows[i].back)
			continue;
		assert_int_equal(v, rows[i].want);
		option_format_size(v, buf, sizeof(buf));
		assert_string_equal(buf, rows[i].back);
	}
}

static void test_ids(void **state)
{
	assert_true(option_valid_id("a"));
	assert_true(option_valid_id("Disk_0.root-fs"));
	assert_true(option_valid_id("abcdefghijklmnopqrstuvwxyz012345"));
	assert_false(option_valid_id("abcdefghijklmnopqrstuvwxyz0123456"));
	assert_false(option_valid_id(""));
	assert_false(option_valid_id("a b"));
}

static void test_macs(void **state)
{
	static const struct {
		const char *text;
		bool ok;
	} rows[] = {
		{ "02:00:00:00:aa:0F", true }, { "00:16:3e:00:00:01", true }, { "00:00:00:00:00:00", false }, { "01:00:5e:00:00:01", false },
		{ "ff:ff:ff:ff:ff:ff", false }, { "02:00:00:00:aa", false }, { "02:00:00:00:aa:0g", false }, { "02:00:00:00:aa:0", false },
		{ "02:00:00:00:aa:00:", false }, { "02-00-00-00-aa-00", false }, { "", false }, { "2:0:0:0:0:1", false },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 mac[6] = { 9, 9, 9, 9, 9, 9 };

		assert_int_equal(option_parse_mac(rows[i].text, mac), rows[i].ok);
		assert_int_equal(mac[1] == 9, !rows[i].ok);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_sizes_there_and_back),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_macs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
