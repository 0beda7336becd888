/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --viommu vtd --testdev -p rounds=$UNMAP_ROUNDS
// expect: 0
/*
 * After an unmap whose wait is over, DMA to the old address never lands. In each round the boot CPU maps a page, writes to it by DMA, unmaps it,
 * waits for the invalidation, and writes again: that must be refused, and the page stay as it is. All the while the other CPU remaps
 * another address of the same table from page to page, and a page it has unmapped must not change any more although the device writes
 * to that address.
 */
#include "guests/lib/vtd.h"

#define MINE 0x70000000ULL
#define THEIRS 0x70001000ULL /* same leaf table */
#define DID 3
#define POISON 0x5a5a5a5a5a5a5a5aULL

static struct vtd_unit u;
static struct lock unit_lock; /* the queue */
static struct tdev dev;
static u64 *top;
static u64 page[512] __attribute__((aligned(PAGE)));
static u64 theirs[2][512] __attribute__((aligned(PAGE)));
static volatile u64 writes; /* to THEIRS, whatever came of them */
static volatile u64 remaps;

static volatile u64 landed; /* of the writes to THEIRS */
static volatile bool stop, stopped;

/* Every way that Linux invalidates by. */
static void invalidate(u64 iova, u64 how)
{
	lock_take(&unit_lock);
	switch (how % 4) {
	case 0:
		vtd_inv_pages(&u, DID, 0, iova, 0);
		break;
	case 1:
		vtd_inv_pages(&u, DID, 0, iova & ~0x1fffffULL, 9);
		break;
	case 2:
		vtd_inv_all(&u, DID, 0);
		break;
	default:
		vtd_queue(&u, QI_IOTLB | FIELD_PREP(QI_G, 2) | FIELD_PREP(QI_DID, DID), 0);
	}
	vtd_wait(&u);
	lock_give(&unit_lock);
}

static void remapper(unsigned index)
{
	volatile u64 *leaf = vtd_leaf(top, THEIRS, 1);

	for (u64 n = 0; !stop; n++) {
		volatile u64 *old = theirs[n & 1];
		u64 seen;

		vtd_map_page(top, THEIRS, (u64)old, 1, true);
		for (seen = writes; writes < seen + 2 && !stop;)
			cpu_relax();
		*leaf = 0;
		invalidate(THEIRS, n >> 1);
		*old = POISON;
		/* From now on the device's writes are refused, or land in the other page. */
		for (seen = writes; writes < seen + 1 && !stop;)
			cpu_relax();
		vtd_map_page(top, THEIRS, (u64)theirs[!(n & 1)], 1, true);
		for (seen = writes; writes < seen + 2 && !stop;)
			cpu_relax();
		CHECK(*old == POISON, "remap %x: a write landed in a page that was unmapped: %x", n, *old);
		*leaf = 0;
		invalidate(THEIRS, n);
		remaps++;
	}
	stopped = true;
}

static void write_theirs(u64 n)
{
	if (tdev_store(&dev, DMA_NO_PASID, THEIRS, n) == TESTDEV_STATUS_OK)
		landed++;
	writes++;
}

static void round(u64 n)
{
	volatile u64 *p = page;

	vtd_map(top, MINE, (u64)page, PAGE, true);
	CHECK(tdev_store(&dev, DMA_NO_PASID, MINE, n) == TESTDEV_STATUS_OK && *p == n, "round %x: a mapped page is refused", n);
	write_theirs(n);
	*vtd_leaf(top, MINE, 1) = 0;
	invalidate(MINE, n);
	*p = POISON;
	CHECK(tdev_store(&dev, DMA_NO_PASID, MINE, n) == TESTDEV_STATUS_FAULT, "round %x: a write after the unmap is not refused", n);
	CHECK(*p == POISON, "round %x: a write after the unmap landed", n);
	write_theirs(n);
}

void guest_main(void)
{
	u64 rounds = boot_option("rounds", 100), start;

	tdev_find(&dev, 0);
	CHECK(vtd_find(&u, dev.bdf), "no unit");
	top = vtd_page();
	vtd_leaf(top, MINE, 1);
	vtd_set_up(&u);
	vtd_cmd_set(&u, (u32)GCMD_TE);
	vtd_set_table(&u, dev.bdf, 0, DID, top);
	CHECK(smp_start(2, remapper) == 2, "the second CPU did not start");
	for (u64 n = 1; n <= rounds; n++)
		round(n);
	/* Both must have had their turn, or nothing was shown. */
	for (start = cpu_ticks(); remaps < rounds / 20 + 1 || !landed;) {
		CHECK(cpu_ticks() - start < PATIENCE, "the other CPU remapped %x times only", remaps);
		write_theirs(~0ULL);
	}
	for (stop = true, start = cpu_ticks(); !stopped; cpu_relax())
		CHECK(cpu_ticks() - start < PATIENCE, "the other CPU does not stop");
	say("%u rounds, %u remaps, %u writes landed\n", (unsigned)rounds, (unsigned)remaps, (unsigned)landed);
}
