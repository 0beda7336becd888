/* SPDX-License-Identifier: Apache-2.0 */
// nidus: -m 64M
// expect: 0
/*
 * What the host has of RAM: tests/system/host_memory.sh takes it away. mode=1 reads the page at AT for ever, mode=2 never touches it again but has the
 * entropy device look at a queue there, mode=3 fills all RAM from there on. Each says first that it is about to. Without a mode each is done once.
 */
#include "guests/lib/virtio.h"

#define AT MiB(32)

static void read_it(bool for_ever)
{
	*(volatile u64 *)AT = 1;
	say("mode 1\n");
	do {
		CHECK(*(volatile u64 *)AT == 1, "the page at %x has changed", (u64)AT);
		cpu_relax();
	} while (for_ever);
}

static void have_it_read(bool for_ever)
{
	struct vdev v;

	CHECK(virtio_find(VIRTIO_RNG, &v), "no entropy device");
	v.rings = (struct vring *)AT;
	virtio_use(&v, 0);
	virtio_set_up(&v, 0);
	virtio_start(&v);
	v.ring->desc[0] = (struct vdesc){ .addr = AT + MiB(1), .len = 8, .flags = VD_WRITE };
	virtio_kick(&v, 0);
	CHECK(virtio_wait(&v, 1), "the queue is not looked at");
	say("mode 2\n");
	do {
		mmio_write(v.bell, 2, 0);
		for (u64 since = cpu_ticks(); cpu_ticks() - since < 10000000;)
			cpu_relax();
	} while (for_ever);
	virtio_reset(&v);
}

static void fill(void)
{
	struct ram_range r;

	say("mode 3\n");
	for (unsigned i = 0; boot_map(i, &r); i++) {
		for (u64 at = MAX(r.gpa, (u64)AT); r.type == 1 && at < r.gpa + r.len; at += PAGE)
			*(volatile u64 *)at = at;
	}
}

void guest_main(void)
{
	u64 mode = boot_option("mode", 0);

	if (mode == 0 || mode == 1)
		read_it(mode == 1);
	if (mode == 0 || mode == 2)
		have_it_read(mode == 2);
	if (mode == 0 || mode == 3)
		fill();
}
