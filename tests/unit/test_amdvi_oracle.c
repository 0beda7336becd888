/* SPDX-License-Identifier: Apache-2.0 */
/* The oracle of viommu_oracle.h on the AMD-Vi unit. A domain is a device's there, not a PASID's. */
#include "tests/unit/amdvi_rig.h"
#include "tests/unit/viommu_oracle.h"

static void command(u64 q0, u64 q1)
{
	guest_cmd(&rig, q0, q1);
	assert_true(guest_waited(&rig));
}

static void all(void)
{
	command(CMD(CMD_INV_ALL), 0);
}

/* GN=0 names every PASID. */
static void tag(u32 did)
{
	command(CMD_PAGES_OF(did, 0), ALL_PAGES);
}

static void of_pasid(u32 did, u32 pasid)
{
	command(CMD_PAGES_OF(did, pasid), ALL_PAGES | CMD1_GN);
}

static void range(u32 did, u32 pasid, iova_t base, unsigned am)
{
	u64 size = am ? CMD1_S | ((4096ULL << (am - 1)) - 4096) : 0;

	command(CMD_PAGES_OF(did, pasid), base | size | CMD1_GN | CMD1_PDE);
}

static void nothing(bool other)
{
	command(other ? CMD(CMD_INV_IOTLB) : CMD(CMD_INV_INTR), 0);
}

static void set(struct space *s)
{
	for (unsigned i = 0; i < SPACES; i++) {
		if (spaces[i].dev != s->dev)
			continue;
		spaces[i].did = s->did;
		memset(spaces[i].n_old, 0, sizeof(spaces[i].n_old));
	}
	guest_dte(&rig, s->dev, DTE_V, 0, 0);
	guest_inv_dte(&rig, s->dev);
	guest_gcr3(&rig, s->dev, s->pasid, PT(s->table) | GCR3_V);
	guest_v2(&rig, s->dev, s->did);
	guest_inv_dte(&rig, s->dev);
}

static const struct oracle oracle = { all, tag, of_pasid, range, nothing, set };

int main(void)
{
	return oracle_main();
}
