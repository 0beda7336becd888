/* SPDX-License-Identifier: Apache-2.0 */
#include <time.h>

#include "devices/rate.h"

#define NS 1000000000LL
#define BURST_NS (RATE_BURST_MS * 1000000LL)
#define MAX_DEBT (INT64_MAX / 2)

static s64 burst(const struct rate_bucket *b)
{
	/* At least one token, or a rate below ten per second would never have one. */
	return MAX((s64)b->per_s * BURST_NS, NS);
}

static void bucket_init(struct rate_bucket *b, u64 per_s)
{
	b->per_s = MIN(per_s, RATE_MAX);
	b->tokens = burst(b);
}

void rate_init(struct rate *r, u64 bytes_per_s, u64 ops_per_s, u64 now_ns)
{
	bucket_init(&r->bytes, bytes_per_s);
	bucket_init(&r->ops, ops_per_s);
	r->last_ns = now_ns;
}

static void refill(struct rate_bucket *b, u64 ns)
{
	s64 gain;

	if (!b->per_s)
		return;
	if (__builtin_mul_overflow((s64)MIN(ns, (u64)INT64_MAX), (s64)b->per_s, &gain) || __builtin_add_overflow(b->tokens, gain, &b->tokens))
		b->tokens = burst(b);
	b->tokens = MIN(b->tokens, burst(b));
}

static u64 wait(const struct rate_bucket *b)
{
	if (!b->per_s || b->tokens > 0)
		return 0;
	return MAX((u64)-b->tokens / b->per_s + 1, RATE_MIN_WAIT_NS);
}

u64 rate_wait_ns(struct rate *r, u64 now_ns)
{
	u64 a, b;

	if (now_ns > r->last_ns) {
		refill(&r->bytes, now_ns - r->last_ns);
		refill(&r->ops, now_ns - r->last_ns);
		r->last_ns = now_ns;
	}
	a = wait(&r->bytes);
	b = wait(&r->ops);
	return MAX(a, b);
}

static void charge(struct rate_bucket *b, u64 n)
{
	s64 cost;

	if (!b->per_s)
		return;
	if (__builtin_mul_overflow((s64)MIN(n, (u64)INT64_MAX), NS, &cost))
		cost = MAX_DEBT;
	b->tokens = MAX(b->tokens - MIN(cost, MAX_DEBT), -MAX_DEBT);
}

void rate_charge(struct rate *r, u64 bytes)
{
	charge(&r->bytes, bytes);
	charge(&r->ops, 1);
}

u64 rate_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (u64)ts.tv_sec * 1000000000 + (u64)ts.tv_nsec;
}
