/* SPDX-License-Identifier: Apache-2.0 */
/* The PVH start info, and what C needs of a library. */
#include "guests/lib/guest.h"

extern u32 start_info;
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
	void *d = to;

	__asm__ volatile("rep movsb" : "+D"(d), "+S"(from), "+c"(n) : : "memory");
	return to;
}

void *memset(void *to, int c, size_t n)
{
	void *d = to;

	__asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *x = a, *y = b;

	for (size_t i = 0; i < n; i++) {
		if (x[i] != y[i])
			return x[i] - y[i];
	}
	return 0;
}

static u64 info(unsigned off, unsigned size)
{
	return mmio_read(start_info + off, size);
}

bool boot_map(unsigned i, struct ram_range *r)
{
	u64 e = info(40, 8) + 24 * i;

	CHECK(info(0, 4) == 0x336ec578, "no start info");
	if (i >= info(48, 4))
		return false;
	*r = (struct ram_range){ mmio_read(e, 8), mmio_read(e + 8, 8), (u32)mmio_read(e + 16, 4) };
	return true;
}

u64 boot_option(const char *name, u64 def)
{
	const char *s = (const char *)info(24, 8);
	u64 v = 0;

	for (; *s; s++) {
		unsigned n = 0;

		while (name[n] && s[n] == name[n])
			n++;
		if (name[n] || s[n] != '=')
			continue;
		for (s += n + 1; *s >= '0' && *s <= '9'; s++)
			v = v * 10 + (u64)(*s - '0');
		return v;
	}
	return def;
}

u64 boot_rsdp(void)
{
	return info(32, 8);
}

u64 rnd(void)
{
	static u64 x = 0x9e3779b97f4a7c15ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return x;
}
