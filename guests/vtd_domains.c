/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M --viommu vtd --testdev
// expect: 0
/*
 * Two devices with one domain id and different PASIDs, then with the same PASIDs and each other's tables: every cached translation belongs to
 * one (device, PASID), and neither device reaches the other's memory, before and after the tables are swapped.
 */
#include "guests/lib/vtd.h"

#define DID 9
#define SHARED 0x40000000ULL /* mapped in both tables, to different pages */
#define OWN(i) (0x50000000ULL + MiB(4) * (i)) /* mapped in table i only */

static struct vtd_unit u;
static struct tdev dev[2];
static u64 *top[2];
static u64 page[2][512] __attribute__((aligned(PAGE)));
static u64 own[2][512] __attribute__((aligned(PAGE)));
static u64 serial = 0x100;

/* (d, pasid) works on table t: it reaches t's pages, and nothing of the other's. */
static void confined(unsigned d, u32 pasid, unsigned t, const char *when)
{
	u64 was = page[!t][1], own_was = own[!t][1], got;
	struct vtd_fault f;

	serial++;
	CHECK(tdev_store(&dev[d], pasid, SHARED + 8, serial) == TESTDEV_STATUS_OK, "%s: device %u PASID %x: write", when, d, (u64)pasid);
	CHECK(((volatile u64 *)page[t])[1] == serial, "%s: device %u PASID %x: the write went astray", when, d, (u64)pasid);
	CHECK(((volatile u64 *)page[!t])[1] == was, "%s: device %u PASID %x reaches the other's page", when, d, (u64)pasid);
	CHECK(tdev_load(&dev[d], pasid, SHARED + 8, &got) == TESTDEV_STATUS_OK && got == serial, "%s: read %x", when, got);
	CHECK(tdev_store(&dev[d], pasid, OWN(t) + 8, serial) == TESTDEV_STATUS_OK && ((volatile u64 *)own[t])[1] == serial, "%s: own page", when);
	CHECK(tdev_store(&dev[d], pasid, OWN(!t) + 8, serial) == TESTDEV_STATUS_FAULT, "%s: the other's own page is mapped", when);
	CHECK(((volatile u64 *)own[!t])[1] == own_was, "%s: device %u PASID %x reaches the other's own page", when, d, (u64)pasid);
	CHECK(vtd_fault(&u, &f) && f.rid == dev[d].bdf && f.reason == FR_FS_P, "%s: no record of the refusal", when);
}

static void all_confined(u32 a, u32 b, bool swapped, const char *when)
{
	/* Twice: walked, and from the cache. */
	for (unsigned i = 0; i < 2; i++) {
		confined(0, a, swapped, when);
		confined(1, b, !swapped, when);
	}
}

void guest_main(void)
{
	struct vtd_fault f;

	for (unsigned i = 0; i < 2; i++) {
		tdev_find(&dev[i], i);
		top[i] = vtd_page();
		vtd_map(top[i], SHARED, (u64)page[i], PAGE, true);
		vtd_map(top[i], OWN(i), (u64)own[i], PAGE, true);
	}
	CHECK(vtd_find(&u, dev[0].bdf), "no unit");
	vtd_set_up(&u);
	vtd_cmd_set(&u, (u32)GCMD_TE);

	vtd_set_table(&u, dev[0].bdf, 1, DID, top[0]);
	vtd_set_table(&u, dev[1].bdf, 2, DID, top[1]);
	all_confined(1, 2, false, "one domain, two PASIDs");
	/* Neither has the other's PASID. */
	CHECK(tdev_store(&dev[0], 2, SHARED, 1) == TESTDEV_STATUS_FAULT && vtd_fault(&u, &f) && f.reason == FR_PE_P, "device 0 has PASID 2");
	CHECK(tdev_store(&dev[1], 1, SHARED, 1) == TESTDEV_STATUS_FAULT && vtd_fault(&u, &f) && f.reason == FR_PE_P, "device 1 has PASID 1");

	vtd_set_table(&u, dev[0].bdf, 1, DID, top[1]);
	vtd_set_table(&u, dev[1].bdf, 2, DID, top[0]);
	all_confined(1, 2, true, "tables swapped");

	/* Each PASID on both devices, each device with both tables: neither (domain, PASID) nor (domain, device) tells them apart. */
	vtd_set_table(&u, dev[0].bdf, 1, DID, top[0]);
	vtd_set_table(&u, dev[0].bdf, 2, DID, top[1]);
	vtd_set_table(&u, dev[1].bdf, 1, DID, top[1]);
	all_confined(1, 1, false, "PASID 1 on both");
	all_confined(2, 2, true, "PASID 2 on both");

	/* An invalidation for one PASID leaves the other's translation alone, also the one with the same domain. */
	vtd_inv_all(&u, DID, 1);
	vtd_wait(&u);
	all_confined(2, 2, true, "after the invalidation of PASID 1");
	vtd_set_none(&u, dev[0].bdf, 2);
	CHECK(tdev_store(&dev[0], 2, SHARED, 1) == TESTDEV_STATUS_FAULT && vtd_fault(&u, &f) && f.reason == FR_PE_P, "a PASID taken away works on");
	all_confined(1, 1, false, "after PASID 2 of device 0 is gone");
}
