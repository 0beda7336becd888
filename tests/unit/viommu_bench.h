/* SPDX-License-Identifier: Apache-2.0 */
/* The bench as a fixture: one rig, set up and taken down for each test. Included after vtd_rig.h or amdvi_rig.h. */
#ifndef NIDUS_VIOMMU_BENCH_H
#define NIDUS_VIOMMU_BENCH_H

static struct rig rig;
static struct fake fake;

static inline int setup_soft(void **state)
{
	rig_init(&rig, NULL);
	return 0;
}

/* The recording fake, which can hold so many configurations per device; pasid_bits 0: it knows none. */
static inline int setup_fake_of(unsigned max_configs, unsigned pasid_bits)
{
	fake = (struct fake){ .caps = { .iova_bits = 48, .max_configs = max_configs, .pasid_bits = pasid_bits }, .fail_err = -EINVAL };
	rig_init(&rig, &fake);
	return 0;
}

static inline int teardown(void **state)
{
	rig_fini(&rig);
	return 0;
}

/* A read by device i that is refused. */
static inline void one_fault(unsigned i, iova_t iova)
{
	struct dma_span s;
	struct iovec iov;

	assert_int_equal(dma_get(rig.dma[i], iova, 1, DMA_READ, &s, &iov, 1), -EFAULT);
}

#endif
