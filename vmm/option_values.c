/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <stdio.h>

#include "vmm/option_values.h"

/* Decimal digits only; false for anything else and beyond 64 bits. *end is the first byte after them. */
static bool parse_digits(const char *s, const char **end, u64 *out)
{
	u64 v = 0;

	if (!isdigit((unsigned char)*s))
		return false;
	for (; isdigit((unsigned char)*s); s++) {
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, (u64)(*s - '0'), &v))
			return false;
	}
	*end = s;
	*out = v;
	return true;
}

bool option_parse_number(const char *s, u64 *out)
{
	const char *end;

	return parse_digits(s, &end, out) && *end == 0;
}

bool option_parse_size(const char *s, u64 *out)
{
	const char *end;
	u64 v, unit;

	if (!parse_digits(s, &end, &v))
		return false;
	switch (toupper((unsigned char)*end)) {
	case 'K':
		unit = KiB(1);
		break;
	case 0:
	case 'M':
		unit = MiB(1);
		break;
	case 'G':
		unit = GiB(1);
		break;
	default:
		return false;
	}
	return (*end == 0 || end[1] == 0) && !__builtin_mul_overflow(v, unit, out);
}

/* The largest unit without remainder; sizes are multiples of 1 KiB. */
void option_format_size(u64 v, char *buf, size_t len)
{
	unsigned shift = IS_ALIGNED(v, GiB(1)) ? 30 : IS_ALIGNED(v, MiB(1)) ? 20 : 10;

	snprintf(buf, len, "%llu%c", (unsigned long long)(v >> shift), shift == 30 ? 'G' : shift == 20 ? 'M' : 'K');
}

bool option_valid_id(const char *s)
{
	size_t n = strlen(s);

	return n >= 1 && n <= 32 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

bool option_parse_mac(const char *s, u8 mac[6])
{
	u8 m[6];

	for (unsigned i = 0; i < 6; i++, s += 3) {
		int hi = hex_digit(s[0]), lo = hi < 0 ? -1 : hex_digit(s[1]);

		if (lo < 0 || s[2] != (i < 5 ? ':' : 0))
			return false;
		m[i] = (u8)(hi << 4 | lo);
	}
	/* No device has a group address, or none. */
	if ((m[0] & 1) || !(m[0] | m[1] | m[2] | m[3] | m[4] | m[5]))
		return false;
	memcpy(mac, m, sizeof(m));
	return true;
}
