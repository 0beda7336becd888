/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several vCPUs, a device and the event loop on one unit at once: every register is written in no order by three threads, while a device does DMA
 * and the queue runs on whichever thread comes. For the thread sanitizer, and for what hangs. Whoever includes it gives the values that make sense.
 */
#ifndef NIDUS_VIOMMU_STORM_H
#define NIDUS_VIOMMU_STORM_H

#include "tests/unit/viommu_rig.h"

#define STORM_ROUNDS 50
#define STORM_VCPUS 3
#define STORM_WRITES 10000

/* A register, its size and what is written: val or, where spread is set, val plus a multiple of spread below 16 times it. */
struct storm_write {
	u64 off;
	unsigned size;
	u64 val, spread;
};

static struct {
	struct rig *r;
	const struct storm_write *w;
	unsigned n;
	bool stop;
	u64 served;
} storm;

static inline void *storm_vcpu(void *arg)
{
	u64 seed = 77 + (u64)(uintptr_t)arg;

	for (unsigned i = 0; i < STORM_WRITES; i++) {
		const struct storm_write *w = &storm.w[rnd(&seed) % storm.n];

		if (rnd(&seed) % 4)
			wr(storm.r, w->off, w->size, w->val + w->spread * (rnd(&seed) % 16));
		else
			(void)rd(storm.r, w->off, w->size);
	}
	return NULL;
}

static inline void *storm_device(void *arg)
{
	unsigned i = (unsigned)(uintptr_t)arg;

	while (!__atomic_load_n(&storm.stop, __ATOMIC_SEQ_CST)) {
		struct dma_span s;
		struct iovec iov[2];

		if (dma_get_pasid(storm.r->dma[i], DMA_NO_PASID, 0x5000, 8, DMA_WRITE, &s, iov, 2) <= 0)
			continue;
		__atomic_add_fetch(&storm.served, 1, __ATOMIC_SEQ_CST);
		dma_put(&s);
	}
	return NULL;
}

static inline void *storm_events(void *arg)
{
	struct rig *r = arg;

	return event_run(r->ev) ? r : NULL;
}

/* The guest's structures and a ring full of commands are there. Afterwards the unit is reset and idle. */
static inline void storm_run(struct rig *r, const struct storm_write *w, unsigned n)
{
	pthread_t vcpu[STORM_VCPUS], dev[2], loop;
	struct viommu_counters c;

	memset(&storm, 0, sizeof(storm));
	storm.r = r;
	storm.w = w;
	storm.n = n;
	assert_int_equal(pthread_create(&loop, NULL, storm_events, r), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(dev); i++)
		assert_int_equal(pthread_create(&dev[i], NULL, storm_device, (void *)(uintptr_t)i), 0);
	/* On a busy machine the others may not have had their turn yet. */
	for (unsigned round = 0; round < STORM_ROUNDS; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(vcpu); i++)
			assert_int_equal(pthread_create(&vcpu[i], NULL, storm_vcpu, (void *)(uintptr_t)(i + round * STORM_VCPUS)), 0);
		for (unsigned i = 0; i < ARRAY_SIZE(vcpu); i++)
			pthread_join(vcpu[i], NULL);
		viommu_count(r->v, &c);
		if (c.inv_in > 100 && c.faults > 0 && __atomic_load_n(&storm.served, __ATOMIC_SEQ_CST))
			break;
	}
	__atomic_store_n(&storm.stop, true, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < ARRAY_SIZE(dev); i++)
		pthread_join(dev[i], NULL);
	event_stop(r->ev);
	pthread_join(loop, NULL);
	viommu_count(r->v, &c);
	assert_true(c.inv_in > 100 && c.faults > 0);
	assert_int_not_equal(storm.served, 0);
	viommu_reset(r->v);
	assert_int_equal(where(r, 0, DMA_NO_PASID, 0x5000), 0x5000);
}

#endif
