/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --viommu vtd --testdev
// expect: 0
/*
 * The unit's interrupts arrive: of a fault (once until its records are cleared, kept while masked) and of a wait; the record ring overflows and
 * recovers; every address mask invalidates; an entry changed in place and announced by its old domain; translation switched off and on under
 * the DMA of another CPU, which lands in one of two places and nowhere else.
 */
#include "guests/lib/vtd.h"

#define IOVA 0x90000000ULL
#define DID 6
#define VEC_FAULT 0x44
#define VEC_WAIT 0x45

static struct vtd_unit u;
static struct tdev dev[2];
static u64 page[3][512] __attribute__((aligned(PAGE)));
static volatile unsigned faults, waits;
static volatile u64 strays, landed;
static volatile bool stop, stopped;

static void on_fault(void)
{
	faults++;
}

static void on_wait(void)
{
	waits++;
}

/* Control register at reg, data, address and upper address behind it. */
static void aim(unsigned reg, u8 vec)
{
	vtd_put(&u, reg + 4, 4, vec);
	vtd_put(&u, reg + 8, 4, X86_LAPIC_BASE | lapic_id() << 12);
	vtd_put(&u, reg + 12, 4, 0);
	vtd_put(&u, reg, 4, 0);
}

static void miss(unsigned n)
{
	while (n--)
		CHECK(tdev_store(&dev[0], DMA_NO_PASID, IOVA - PAGE, 1) == TESTDEV_STATUS_FAULT, "an unmapped page is written to");
}

static unsigned take_records(void)
{
	struct vtd_fault f;
	unsigned n = 0;

	while (vtd_fault(&u, &f)) {
		CHECK(f.rid == dev[0].bdf && f.reason == FR_FS_P, "a record of %x with reason %x", (u64)f.rid, (u64)f.reason);
		n++;
	}
	return n;
}

static void fault_events(void)
{
	aim(VTD_FECTL, VEC_FAULT);
	miss(1);
	CHECK(irq_wait(&faults, 1) == 1, "a fault raises no interrupt");
	miss(2);
	CHECK(take_records() == 3, "not every fault has its record");
	CHECK(faults == 1, "more faults raised more interrupts before the records were cleared");

	vtd_put(&u, VTD_FECTL, 4, FECTL_IM);
	miss(1);
	CHECK(vtd_get(&u, VTD_FECTL, 4) & FECTL_IP, "masked: not pending");
	CHECK(faults == 1, "masked: an interrupt");
	vtd_put(&u, VTD_FECTL, 4, 0);
	CHECK(irq_wait(&faults, 2) == 2, "unmasked: no interrupt");
	take_records();

	miss(VTD_NUM_FRCD + 2);
	CHECK(vtd_get(&u, VTD_FSTS, 4) & FSTS_PFO, "the records overflow and FSTS does not say so");
	CHECK(irq_wait(&faults, 3) == 3, "overflow: no interrupt");
	CHECK(take_records() == VTD_NUM_FRCD, "overflow: records");
	miss(1);
	CHECK(take_records() == 0, "a record while FSTS.PFO is set");
	vtd_put(&u, VTD_FSTS, 4, FSTS_PFO);
	miss(1);
	CHECK(take_records() == 1, "no record after FSTS.PFO is cleared");
	CHECK(irq_wait(&faults, 4) == 4, "after the overflow: no interrupt");
}

static void wait_events(void)
{
	aim(VTD_IECTL, VEC_WAIT);
	vtd_queue(&u, QI_WAIT | QI_WAIT_IF, 0);
	vtd_ring(&u);
	CHECK(irq_wait(&waits, 1) == 1, "a wait raises no interrupt");
	vtd_queue(&u, QI_WAIT | QI_WAIT_IF, 0);
	vtd_wait(&u);
	CHECK(vtd_get(&u, VTD_ICS, 4) == ICS_IWC, "ICS does not tell of the wait");
	vtd_put(&u, VTD_ICS, 4, ICS_IWC);
	vtd_queue(&u, QI_WAIT | QI_WAIT_IF, 0);
	vtd_ring(&u);
	CHECK(irq_wait(&waits, 2) == 2, "%u interrupts: not one for each time ICS was clear", waits);
}

static bool reaches(unsigned d, u64 *where)
{
	static u64 n;
	bool ok;

	n++;
	*(volatile u64 *)where = 0;
	ok = tdev_store(&dev[d], DMA_NO_PASID, IOVA, n) == TESTDEV_STATUS_OK;
	return ok && *(volatile u64 *)where == n;
}

static void masks(u64 *top)
{
	static const u8 am[] = { 0, 9, 18, 30, 51, 52, 63 };

	for (unsigned i = 0; i < ARRAY_SIZE(am); i++) {
		vtd_map(top, IOVA, (u64)page[0], PAGE, true);
		CHECK(reaches(0, page[0]), "mask %u: a mapped page is out of reach", am[i]);
		vtd_unmap(top, IOVA, PAGE);
		vtd_inv_pages(&u, DID, 0, IOVA, am[i]);
		vtd_wait(&u);
		CHECK(tdev_store(&dev[0], DMA_NO_PASID, IOVA, 1) == TESTDEV_STATUS_FAULT, "mask %u does not invalidate", am[i]);
		take_records();
	}
}

/* As kernels do that replace an entry without tearing it down first: the descriptor names the domain of the old one. */
static void change_in_place(const u64 *other)
{
	volatile u64 *e = vtd_entry(&u, dev[0].bdf, 0);

	e[1] = DID + 1;
	e[2] = (u64)other;
	vtd_queue(&u, QI_PC | FIELD_PREP(QI_G, 1) | FIELD_PREP(QI_DID, DID), 0);
	vtd_inv_all(&u, DID, 0);
	vtd_wait(&u);
	CHECK(reaches(0, page[1]), "an entry changed in place is not in force");
}

/* The other CPU: writes to the address that both modes know, to different pages. */
static void hammer(unsigned index)
{
	while (!stop) {
		if (tdev_store(&dev[1], DMA_NO_PASID, (u64)page[0], 0xabc) == TESTDEV_STATUS_OK)
			landed++;
		if (((volatile u64 *)page[2])[0] != 0)
			strays++;
	}
	stopped = true;
}

static void switch_under_load(u64 *top)
{
	u64 start, seen;

	vtd_map(top, (u64)page[0], (u64)page[1], PAGE, true);
	vtd_set_table(&u, dev[1].bdf, 0, DID, top);
	CHECK(smp_start(2, hammer) == 2, "the second CPU did not start");
	for (unsigned i = 0; i < 50; i++) {
		bool on = i & 1;

		/* The status says that the change is in force: nothing lands where the other mode would put it. */
		if (on)
			vtd_cmd_set(&u, (u32)GCMD_TE);
		else
			vtd_cmd_clear(&u, (u32)GCMD_TE);
		((volatile u64 *)page[on ? 0 : 1])[0] = 0x5a5a;
		for (seen = landed, start = cpu_ticks(); landed < seen + 4; cpu_relax())
			CHECK(cpu_ticks() - start < PATIENCE, "the other CPU's writes no longer pass");
		CHECK(((volatile u64 *)page[on ? 0 : 1])[0] == 0x5a5a, "a write by the old mode landed after the switch");
		CHECK(((volatile u64 *)page[on ? 1 : 0])[0] == 0xabc, "writes do not land by the new mode");
	}
	for (stop = true, start = cpu_ticks(); !stopped; cpu_relax())
		CHECK(cpu_ticks() - start < PATIENCE, "the other CPU does not stop");
	CHECK(!strays, "%u writes went elsewhere", (unsigned)strays);
}

void guest_main(void)
{
	u64 *top = vtd_page(), *other = vtd_page();

	tdev_find(&dev[0], 0);
	tdev_find(&dev[1], 1);
	CHECK(vtd_find(&u, dev[0].bdf), "no unit");
	irq_handle(VEC_FAULT, on_fault);
	irq_handle(VEC_WAIT, on_wait);
	vtd_map(other, IOVA, (u64)page[1], PAGE, true);
	vtd_set_up(&u);
	vtd_cmd_set(&u, (u32)GCMD_TE);
	vtd_set_table(&u, dev[0].bdf, 0, DID, top);
	fault_events();
	wait_events();
	masks(top);
	change_in_place(other);
	switch_under_load(top);
}
