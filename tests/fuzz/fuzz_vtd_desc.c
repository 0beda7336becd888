/* SPDX-License-Identifier: Apache-2.0 */
/* Root, context, directory and PASID entries and invalidation descriptors: any bytes, and the promises of vtd_decode.h hold. Input: 1 byte of choices, 64 of data. */
#include <stdlib.h>

#include "devices/viommu/vtd_decode.h"
#include "devices/viommu/vtd_regs.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void structures(const struct vtd_caps *c, const u64 qw[8])
{
	struct s1_config cfg = { .kind = S1_BLOCK };
	struct vtd_ctx ctx;
	bool fpd = false;
	gpa_t at;

	if (!vtd_decode_root(c, qw[0], &at))
		must(!(at >> c->haw) && !(at & 4095));
	if (!vtd_decode_ctx(c, qw, &ctx, &fpd))
		must(!(ctx.dir >> c->haw) && ctx.max_pasid <= 1U << 20);
	if (!vtd_decode_dir(c, qw[0], &at, &fpd))
		must(!(at >> c->haw) && !(at & 4095));
	if (vtd_decode_pe(c, qw, &cfg, &fpd))
		must(cfg.kind == S1_BLOCK);
	else if (cfg.kind == S1_TABLE)
		must(!(cfg.table.root >> c->haw) && !(cfg.table.root & 4095) && (cfg.table.levels == 4 || (cfg.table.levels == 5 && (c->cap & CAP_FS5LP))));
	else
		must(cfg.kind == S1_BYPASS);
}

static void descriptor(const u64 qw[4], bool dw)
{
	struct vtd_inv inv;
	u8 why = vtd_decode_inv(qw, dw, &inv);

	must(why == 0 || why == IQEI_TYPE || why == IQEI_RSVD);
	if (why || inv.kind != VTD_INV_TLB || inv.s1.scope != S1_INV_RANGE)
		return;
	must(inv.s1.npages && !(inv.s1.npages & (inv.s1.npages - 1)) && inv.s1.npages <= BIT(51));
	must(IS_ALIGNED(inv.s1.addr, inv.s1.npages << 12));
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct s1_caps s1 = { .iova_bits = 48, .max_configs = 1 };
	struct vtd_caps c;
	u64 qw[8];

	if (size < 1 + sizeof(qw))
		return 0;
	s1.levels_5 = data[0] & 1;
	s1.snoop = data[0] & 2;
	s1.coherent_walk = data[0] & 4;
	s1.supervisor = data[0] & 8;
	vtd_caps_from(&s1, (u8)(36 + (data[0] >> 4)), &c);
	for (unsigned i = 0; i < 8; i++)
		qw[i] = get_le(data + 1 + 8 * i, 8);
	structures(&c, qw);
	descriptor(qw, data[0] & 1);
	return 0;
}
