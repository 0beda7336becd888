/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Integer types, bit fields and checked arithmetic. No dependency, usable anywhere.
 */
#ifndef NIDUS_BITS_H
#define NIDUS_BITS_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;

/* sparse tells little-endian guest values from host values, and guest physical from I/O virtual addresses. */
#ifdef __CHECKER__
#define __bitwise __attribute__((bitwise))
#define __force __attribute__((force))
#else
#define __bitwise
#define __force
#endif

typedef u16 __bitwise le16;
typedef u32 __bitwise le32;
typedef u64 __bitwise le64;

/* gpa: guest physical address, bytes. iova: the address a device puts on the bus, before any translation. */
typedef u64 gpa_t;
typedef u64 iova_t;

static inline u16 le16_cpu(le16 v) { return le16toh((__force u16)v); }
static inline u32 le32_cpu(le32 v) { return le32toh((__force u32)v); }
static inline u64 le64_cpu(le64 v) { return le64toh((__force u64)v); }
static inline le16 cpu_le16(u16 v) { return (__force le16)htole16(v); }
static inline le32 cpu_le32(u32 v) { return (__force le32)htole32(v); }
static inline le64 cpu_le64(u64 v) { return (__force le64)htole64(v); }

#define BIT(n) (1ULL << (n))
/* Bits hi..lo set, hi >= lo, hi <= 63. */
#define GENMASK(hi, lo) ((~0ULL << (lo)) & (~0ULL >> (63 - (hi))))
/* A field is named by its mask alone. */
#define FIELD_GET(mask, v) (((u64)(v) & (mask)) / ((mask) & -(mask)))
#define FIELD_PREP(mask, v) (((u64)(v) * ((mask) & -(mask))) & (mask))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
/* a must be a power of two. ALIGN_UP wraps to 0 at the top of the type: check before where the value is a guest's. */
#define ALIGN_DOWN(x, a) ((x) & ~((u64)(a) - 1))
#define ALIGN_UP(x, a) ALIGN_DOWN((u64)(x) + (u64)(a) - 1, a)
#define IS_ALIGNED(x, a) (((u64)(x) & ((u64)(a) - 1)) == 0)
#define CONTAINER_OF(p, type, member) ((type *)(void *)((char *)(p) - offsetof(type, member)))

#define KiB(n) ((u64)(n) << 10)
#define MiB(n) ((u64)(n) << 20)
#define GiB(n) ((u64)(n) << 30)

/* True if [base, base + len) does not wrap and lies within [lo, lo + span). Total for all values; len 0 is false. */
static inline bool range_within(u64 base, u64 len, u64 lo, u64 span)
{
	return len != 0 && base >= lo && len <= span && base - lo <= span - len;
}

/* True if the two ranges share a byte. Neither may wrap; an empty one overlaps nothing. */
static inline bool range_overlaps(u64 a, u64 alen, u64 b, u64 blen)
{
	return alen && blen && (a < b ? b - a < alen : a - b < blen);
}

/* Little-endian bytes of an unaligned buffer; size is 1, 2, 4 or 8. */
static inline u64 get_le(const void *p, unsigned size)
{
	const u8 *b = p;
	u64 v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (u64)b[i] << (8 * i);
	return v;
}

static inline void put_le(void *p, unsigned size, u64 v)
{
	u8 *b = p;

	for (unsigned i = 0; i < size; i++)
		b[i] = (u8)(v >> (8 * i));
}

/* All ones of an access size in bytes (1 to 8): what a read of nothing returns. */
static inline u64 size_mask(unsigned size)
{
	return size >= 8 ? ~0ULL : (1ULL << (8 * size)) - 1;
}

#define __must_check __attribute__((warn_unused_result))
#define __printf(f, a) __attribute__((format(printf, f, a)))

#endif
