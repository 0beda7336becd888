/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M -c 2 --balloon on,target=16M
// expect: 0
/* A hostile driver of the balloon, while the other CPU counts; then page numbers that are no RAM, out of order, twice, and very many. */
#include "guests/lib/virtio.h"

#define INFLATE 0
#define DEFLATE 1
#define SPARE MiB(32) /* nobody's, as far as RAM's end */
#define SPARE_PAGES 4096U
#define MANY 20000U /* page numbers: more than a device should look at in one request */

static u32 pfns[MANY];

static void give(struct vdev *v, u16 queue, u32 bytes)
{
	u16 idx;

	virtio_use(v, queue);
	idx = v->ring->avail.idx;
	v->ring->desc[0] = (struct vdesc){ (u64)pfns, bytes, 0, 0 };
	virtio_kick(v, 0);
	CHECK(virtio_wait(v, idx + 1), "the balloon does not take %u bytes of page numbers", bytes);
	tick_check("page numbers");
}

static u32 pfn(unsigned round, u32 i)
{
	static const u32 bad[] = { MiB(64) / PAGE, X86_PCI32_BASE / PAGE, X86_IOAPIC_BASE / PAGE, GiB(4) / PAGE, 0x7fffffff, 0x80000000, ~0U };

	switch (round % 6) {
	case 0: /* upwards, and once around */
		return SPARE / PAGE + i % SPARE_PAGES;
	case 1: /* downwards */
		return SPARE / PAGE + SPARE_PAGES - 1 - i % SPARE_PAGES;
	case 2: /* one page, over and over */
		return SPARE / PAGE;
	case 3: /* every second one */
		return SPARE / PAGE + 2 * i % SPARE_PAGES;
	case 4: /* good and bad by turns */
		return i & 1 ? bad[i / 2 % ARRAY_SIZE(bad)] : SPARE / PAGE + i % SPARE_PAGES;
	default: /* none that is RAM */
		return bad[i % ARRAY_SIZE(bad)];
	}
}

static void numbers(struct vdev *v)
{
	volatile u64 *spare = (volatile u64 *)SPARE;

	for (unsigned round = 0; round < 7; round++) {
		virtio_set_up(v, round & 1 ? ~0ULL : 0);
		virtio_start(v);
		for (u32 i = 0; i < MANY; i++)
			pfns[i] = pfn(round, i);
		*spare = ~0ULL;
		give(v, round < 6 ? INFLATE : DEFLATE, sizeof(pfns));
		give(v, INFLATE, 4 * SPARE_PAGES + round % 4);
		CHECK(*spare == (round % 6 == 5 ? ~0ULL : 0), "the balloon %s the page", round % 6 == 5 ? "took" : "did not take");
		give(v, DEFLATE, 3);
	}
	virtio_prove(v, "page numbers");
}

void guest_main(void)
{
	struct vdev v;

	tick_start();
	CHECK(virtio_find(VIRTIO_BALLOON, &v), "no balloon");
	virtio_abuse_all(&v);
	numbers(&v);
}
