/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --viommu vtd --testdev
// expect: 0
/*
 * A device in the middle of a write when its buffer is unmapped: the invalidation's wait is not over before the write is; meanwhile the other CPU runs
 * on, and so does this one. What is not covered by the invalidation does not hold it up. Then the same for a change of the table, and for
 * translation being switched off.
 */
#include "guests/lib/vtd.h"

#define IOVA 0x60000000ULL
#define DID 4

static struct vtd_unit u;
static struct tdev dev[2];
static u64 page[2][512] __attribute__((aligned(PAGE)));
static u64 *top;

static void hold(u64 val)
{
	mmio_write(dev[0].bar + TESTDEV_BUFFER, 8, val);
	CHECK(tdev_do(&dev[0], TESTDEV_CMD_HOLD, DMA_NO_PASID, IOVA, 8) == TESTDEV_STATUS_OK, "the device cannot begin its write");
}

static void release(u64 val)
{
	CHECK(tdev_do(&dev[0], TESTDEV_CMD_RELEASE, DMA_NO_PASID, 0, 0) == TESTDEV_STATUS_OK, "the device cannot end its write");
	CHECK(((volatile u64 *)page[0])[0] == val, "the write that had begun is lost");
}

static void waits_until_released(const char *what, u64 val)
{
	u64 got, start;

	for (unsigned i = 0; i < 20; i++) {
		tick_check(what);
		CHECK(!vtd_wait_over(&u), "%s: the wait is over while the write is not", what);
		CHECK(tdev_load(&dev[1], DMA_NO_PASID, IOVA + PAGE, &got) == TESTDEV_STATUS_OK && got == 0x77, "%s: the other device stands still", what);
	}
	release(val);
	for (start = cpu_ticks(); !vtd_wait_over(&u); cpu_relax())
		CHECK(cpu_ticks() - start < PATIENCE, "%s: the wait never ends", what);
	page[0][0] = 0;
}

void guest_main(void)
{
	struct vtd_fault f;

	tick_start();
	tdev_find(&dev[0], 0);
	tdev_find(&dev[1], 1);
	CHECK(vtd_find(&u, dev[0].bdf), "no unit");
	top = vtd_page();
	page[1][0] = 0x77;
	vtd_map(top, IOVA, (u64)page[0], PAGE, true);
	vtd_map(top, IOVA + PAGE, (u64)page[1], PAGE, true);
	vtd_set_up(&u);
	vtd_cmd_set(&u, (u32)GCMD_TE);
	vtd_set_table(&u, dev[0].bdf, 0, DID, top);
	vtd_set_table(&u, dev[1].bdf, 0, DID, top);

	hold(1);
	vtd_inv_pages(&u, DID, 0, IOVA + PAGE, 0);
	vtd_inv_all(&u, DID + 1, 0);
	vtd_wait(&u); /* neither covers the write */
	vtd_unmap(top, IOVA, PAGE);
	vtd_inv_pages(&u, DID, 0, IOVA, 0);
	vtd_wait_post(&u);
	waits_until_released("unmap", 1);
	CHECK(tdev_store(&dev[0], DMA_NO_PASID, IOVA, 9) == TESTDEV_STATUS_FAULT && page[0][0] == 0, "a write passes after the unmap");
	CHECK(vtd_fault(&u, &f) && f.reason == FR_FS_P, "no record");

	vtd_map(top, IOVA, (u64)page[0], PAGE, true);
	hold(2);
	vtd_entry(&u, dev[0].bdf, 0)[0] &= ~ENTRY_P;
	vtd_queue(&u, QI_PC | FIELD_PREP(QI_G, 1) | FIELD_PREP(QI_DID, DID), 0);
	vtd_wait_post(&u);
	waits_until_released("table taken away", 2);

	vtd_set_table(&u, dev[0].bdf, 0, DID, top);
	hold(3);
	vtd_put(&u, VTD_GCMD, 4, GCMD_QIE);
	for (unsigned i = 0; i < 20; i++) {
		tick_check("translation being switched off");
		CHECK(vtd_get(&u, VTD_GSTS, 4) & GCMD_TE, "translation is off while a write by the old table is not over");
	}
	release(3);
	for (u64 start = cpu_ticks(); vtd_get(&u, VTD_GSTS, 4) & GCMD_TE; cpu_relax())
		CHECK(cpu_ticks() - start < PATIENCE, "translation is never off");
}
