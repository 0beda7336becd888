/* SPDX-License-Identifier: Apache-2.0 */
/* Device table entries, commands and events: any bytes, and the promises of amdvi_decode.h hold. Input: 1 byte of choices, 48 of data. */
#include <stdlib.h>

#include "devices/viommu/amdvi_decode.h"
#include "devices/viommu/amdvi_regs.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void entry(const struct amdvi_caps *c, bool gten, bool one_way, const u64 dte[4])
{
	const u64 allowed[4] = {
		DTE_V | DTE_TV | DTE_GIOV | DTE_GV | DTE_GLX | DTE_GCR3_14_12 | DTE_IR | DTE_IW, DTE1_DOMID | DTE1_GCR3_30_15 | DTE1_GCR3_51_31, DTE2_GPM, 0,
	};
	struct amdvi_dte d;
	enum amdvi_why why = amdvi_decode_dte(c, gten, one_way, dte, &d);

	must(why < AMDVI_WHYS && amdvi_why_name(why));
	if (why)
		return;
	must(d.deny != (DMA_READ | DMA_WRITE) && (one_way || !d.deny || d.untagged));
	/* What is untranslated has said so: no V, or no guest table and no host table. */
	must(d.guest || d.untagged || !(dte[0] & (DTE_MODE | DTE_HOST_ROOT | DTE_GV)));
	if (!d.guest)
		return;
	must(gten && d.gcr3 && !(d.gcr3 & 4095) && !(d.gcr3 >> c->haw) && d.glx <= 2 && (d.levels == 4 || d.levels == 5));
	for (unsigned i = 0; i < 4; i++)
		must(!(d.host[i] & ~allowed[i]));
	/* What the host is given means the same again. */
	if (!d.deny) {
		struct amdvi_dte again;

		must(amdvi_decode_dte(c, true, false, d.host, &again) == AMDVI_WHY_NONE && again.gcr3 == d.gcr3 && again.giov == d.giov &&
		     again.glx == d.glx && again.levels == d.levels && again.domid == d.domid);
	}
}

static void command(const u64 qw[2])
{
	struct amdvi_cmd c;

	if (!amdvi_decode_cmd(qw, &c) || c.kind != AMDVI_CMD_PAGES || c.s1.scope != S1_INV_RANGE)
		return;
	must(c.s1.npages && !(c.s1.npages & (c.s1.npages - 1)) && c.s1.npages <= BIT(39));
	must(IS_ALIGNED(c.s1.addr, c.s1.npages << 12));
}

static void event(const u8 *data)
{
	struct s1_fault f = { .kind = data[0] % (S1_FAULT_KINDS + 1), .reason = data[1], .sid = (u16)get_le(data + 2, 2), .pasid = (u32)get_le(data + 4, 4),
			      .iova = get_le(data + 8, 8), .write = data[1] & 1, .quiet = data[1] & 2 };
	u64 ev[2];

	if (amdvi_event_of(&f, ev))
		must(FIELD_GET(EVT_CODE, ev[0]) >= 1 && FIELD_GET(EVT_CODE, ev[0]) <= 8 && FIELD_GET(EVT_SID, ev[0]) == f.sid);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
	struct s1_caps s1 = { .iova_bits = 48, .max_configs = 1 };
	struct amdvi_caps c;
	u64 qw[6];
	unsigned index;

	if (size < 1 + sizeof(qw))
		return 0;
	s1.levels_5 = data[0] & 1;
	amdvi_caps_from(&s1, (u8)(36 + (data[0] >> 4)), &c);
	c.efr |= FIELD_PREP(EFR_GLXSUP, data[0] >> 1);
	for (unsigned i = 0; i < ARRAY_SIZE(qw); i++)
		qw[i] = get_le(data + 1 + 8 * i, 8);
	entry(&c, data[0] & 8, data[0] & 4, qw);
	command(qw + 4);
	event(data + 17);
	if (amdvi_gcr3_index(data[1] % 4, data[2] % 4, (u32)qw[1], &index))
		must(index < 512);
	return 0;
}
