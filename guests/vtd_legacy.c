/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --viommu vtd --testdev -d $DISK
// expect: 0
/*
 * A legacy root table, whole and sound by the rules of legacy mode, is enabled although the unit offers none: the devices behind the unit are
 * cut off and each refusal is recorded; the other CPU, a disk outside the unit, and the unit itself go on.
 */
#include "guests/lib/virtio.h"
#include "guests/lib/vtd.h"

#define TT_PASS FIELD_PREP(GENMASK(3, 2), 2)
#define AW_48 2ULL
#define SS_RW 3ULL

static struct vtd_unit u;
static struct tdev dev[2];
static u64 page[512] __attribute__((aligned(PAGE)));

/* Second-stage tables that map the first 2 MiB pages onto themselves, for one device; pass-through for the other. */
static u64 legacy_root(void)
{
	u64 *root = vtd_page(), *ctx = vtd_page(), *l4 = vtd_page(), *l3 = vtd_page(), *l2 = vtd_page();

	for (u64 i = 0; i < 32; i++)
		l2[i] = MiB(2) * i | BIT(7) | SS_RW;
	l3[0] = (u64)l2 | SS_RW;
	l4[0] = (u64)l3 | SS_RW;
	root[0] = (u64)ctx | ENTRY_P;
	ctx[2 * dev[0].bdf] = (u64)l4 | ENTRY_P;
	ctx[2 * dev[0].bdf + 1] = 1 << 8 | AW_48;
	ctx[2 * dev[1].bdf] = TT_PASS | ENTRY_P;
	ctx[2 * dev[1].bdf + 1] = 2 << 8 | AW_48;
	return (u64)root;
}

static void cut_off(const struct tdev *t, u32 pasid, u8 reason)
{
	struct vtd_fault f;
	u64 got;

	page[0] = 0x1234;
	CHECK(tdev_store(t, pasid, (u64)page, 1) == TESTDEV_STATUS_FAULT && page[0] == 0x1234, "a write passes");
	CHECK(vtd_fault(&u, &f) && f.rid == t->bdf && f.write && f.reason == reason, "the write's record: reason %x", (u64)f.reason);
	CHECK(tdev_load(t, pasid, (u64)page, &got) == TESTDEV_STATUS_FAULT && got == 0, "a read passes");
	CHECK(vtd_fault(&u, &f) && f.rid == t->bdf && !f.write && f.reason == reason, "the read's record: reason %x", (u64)f.reason);
}

void guest_main(void)
{
	struct vdev disk;
	u64 got;

	tick_start();
	CHECK(virtio_find(VIRTIO_BLK, &disk), "no disk");
	tdev_find(&dev[0], 0);
	tdev_find(&dev[1], 1);
	CHECK(vtd_find(&u, dev[0].bdf), "no unit");
	vtd_set_up(&u);
	vtd_set_pass(&u, dev[0].bdf, 0, 1);

	vtd_root(&u, legacy_root());
	vtd_cmd_set(&u, (u32)GCMD_TE);
	for (unsigned i = 0; i < 2; i++) {
		cut_off(&dev[i], DMA_NO_PASID, FR_LEGACY_INVALID);
		cut_off(&dev[i], 3, FR_LEGACY_PASID);
	}
	virtio_prove(&disk, "a legacy root table");
	tick_check("a legacy root table");
	vtd_wait(&u);

	/* The same with translation on all the time: scalable, legacy, scalable. */
	vtd_root(&u, (u64)u.root | FIELD_PREP(RTADDR_TTM, TTM_SCALABLE));
	CHECK(tdev_load(&dev[0], DMA_NO_PASID, (u64)page, &got) == TESTDEV_STATUS_OK && got == page[0], "scalable mode does not come back");
	vtd_root(&u, legacy_root());
	cut_off(&dev[0], DMA_NO_PASID, FR_LEGACY_INVALID);
	vtd_cmd_clear(&u, (u32)GCMD_TE);
	CHECK(tdev_load(&dev[1], DMA_NO_PASID, (u64)page, &got) == TESTDEV_STATUS_OK && got == page[0], "translation off: a read is refused");
	virtio_prove(&disk, "translation off");
	tick_check("translation off");
}
