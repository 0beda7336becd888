/* SPDX-License-Identifier: Apache-2.0 */
/* Helpers of the tests that look into built tables. Include after cmocka. */
#ifndef NIDUS_TEST_ACPI_FIND_H
#define NIDUS_TEST_ACPI_FIND_H

#include "acpi/acpi.h"

static inline int acpi_find(const struct acpi_tables *t, const char *name)
{
	for (unsigned i = 0; i < t->n; i++) {
		if (strcmp(t->t[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

static inline u8 byte_sum(const u8 *p, u32 len)
{
	u8 sum = 0;

	while (len--)
		sum += *p++;
	return sum;
}

/* Value of Name (name, integer) of SSDT bytes; fails the test if it is absent. name: four characters. */
static inline u64 aml_named_int(const u8 *p, u32 len, const char *name)
{
	static const u8 size_of[] = { [0x0a] = 1, [0x0b] = 2, [0x0c] = 4, [0x0e] = 8 };

	for (u32 i = 0; i + 6 <= len; i++) {
		if (p[i] != 8 || memcmp(p + i + 1, name, 4) != 0)
			continue;
		if (p[i + 5] <= 1)
			return p[i + 5];
		assert_true(p[i + 5] < sizeof(size_of) && size_of[p[i + 5]] && i + 6 + size_of[p[i + 5]] <= len);
		return get_le(p + i + 6, size_of[p[i + 5]]);
	}
	fail_msg("no integer %s", name);
	return 0;
}

#endif
