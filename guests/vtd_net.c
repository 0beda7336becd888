/* SPDX-License-Identifier: Apache-2.0 */
// nidus: needs=/dev/vhost-net -m 64M --viommu vtd -n tap=$TAP,viommu=on
// expect: 0
/*
 * A receive buffer in a page that may only be read, served by the host's kernel, which knows that page from an earlier buffer beside it and asks no more: the
 * device needs a reset, the unit has the fault, the page is as it was, and after the reset frames come in again.
 */
#include "guests/lib/virtio.h"
#include "guests/lib/vtd.h"

#define DID 3

static struct vtd_unit u;
static struct vdev v;
static u8 buf[2 * PAGE] __attribute__((aligned(2 * PAGE))); /* the second page is the one */

static void post(u16 head, u8 *at)
{
	v.ring->desc[head] = (struct vdesc){ .addr = (u64)at, .len = PAGE, .flags = VD_WRITE };
	virtio_kick(&v, head);
}

static void receive(const char *when)
{
	virtio_set_up(&v, 0);
	virtio_start(&v);
	post(0, buf);
	CHECK(virtio_wait(&v, 1), "%s: no frame comes in", when);
}

void guest_main(void)
{
	u64 start, *top;
	struct vtd_fault f;

	CHECK(virtio_find(VIRTIO_NET, &v), "no network card");
	CHECK(vtd_find(&u, v.bdf), "no unit");
	top = vtd_page();
	vtd_map(top, MiB(2), MiB(2), MiB(2), true);
	vtd_map_page(top, (u64)buf + PAGE, (u64)buf + PAGE, 1, false);
	vtd_set_up(&u);
	vtd_cmd_set(&u, (u32)GCMD_TE);
	vtd_set_table(&u, v.bdf, 0, DID, top);
	receive("at first");
	CHECK(!vtd_fault(&u, &f), "a fault at %x before there is a reason", f.iova);
	post(1, buf + PAGE);
	for (start = cpu_ticks(); !(mmio_read(v.common + VC_STATUS, 1) & VS_NEEDS_RESET); cpu_relax())
		CHECK(cpu_ticks() - start < PATIENCE, "the queue stands still and nobody is told");
	CHECK(vtd_fault(&u, &f), "no fault is recorded");
	CHECK(f.write && f.rid == v.bdf && (f.iova & ~0xfffULL) == (u64)buf + PAGE, "the fault is at %x of %x", f.iova, (u64)f.rid);
	for (unsigned i = 0; i < PAGE; i++)
		CHECK(!buf[PAGE + i], "byte %u of the page was written", i);
	receive("after the reset");
}
