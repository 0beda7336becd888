/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rate limits: a token bucket for bytes and one for operations. Pure arithmetic, the caller has the clock and a lock.
 *
 * An operation may go whenever no bucket is in debt, whatever its size, and is charged afterwards; so the rate holds over time for operations of
 * any size. A bucket keeps what RATE_BURST_MS bring, so that a late timer loses nothing.
 */
#ifndef NIDUS_RATE_H
#define NIDUS_RATE_H

#include "vmm/bits.h"

#define RATE_BURST_MS 100
#define RATE_MIN_WAIT_NS 2000000 /* what is left over is not lost, and timers are not free */
#define RATE_MAX 20000000000ULL  /* per second; larger limits are taken as this */

struct rate_bucket {
	u64 per_s;      /* 0: no limit */
	s64 tokens;     /* in billionths of a token */
};

struct rate {
	struct rate_bucket bytes, ops;
	u64 last_ns;
};

/* Limits per second, 0: none. now_ns: any clock that does not go back, always the same. */
void rate_init(struct rate *r, u64 bytes_per_s, u64 ops_per_s, u64 now_ns);
/* 0: an operation may go now. Else how many nanoseconds to wait before asking again. */
u64 rate_wait_ns(struct rate *r, u64 now_ns);
/* One operation of so many bytes went. */
void rate_charge(struct rate *r, u64 bytes);
/* CLOCK_MONOTONIC. */
u64 rate_now_ns(void);

#endif
