/* SPDX-License-Identifier: Apache-2.0 */
// wrap: ioctl
#include "tests/unit/unit.h"
#include "tests/unit/virtio_drv.h"

#include <linux/vhost.h>
#include <sys/ioctl.h>

#include "devices/vhost.h"
#include "vmm/log.h"

/* The kernel's side: what it was told. */
static struct {
	u64 features, set_features, cid;
	unsigned regions, num, kicks, calls;
	struct vhost_vring_addr addr;
	int kick, call, gave_up, running, backend;
	unsigned long fail_req;
	int fail_err;
} k;

int __real_ioctl(int fd, unsigned long req, ...);
int __wrap_ioctl(int fd, unsigned long req, ...);

static void note(unsigned long req, void *arg)
{
	struct vhost_vring_file *f = arg;

	switch (req) {
	case VHOST_GET_FEATURES:
		*(u64 *)arg = k.features;
		break;
	case VHOST_SET_FEATURES:
		k.set_features = *(u64 *)arg;
		break;
	case VHOST_SET_MEM_TABLE:
		k.regions = ((struct vhost_memory *)arg)->nregions;
		break;
	case VHOST_SET_VRING_NUM:
		k.num = ((struct vhost_vring_state *)arg)->num;
		break;
	case VHOST_SET_VRING_ADDR:
		k.addr = *(struct vhost_vring_addr *)arg;
		break;
	case VHOST_SET_VRING_KICK:
		k.kick = f->fd;
		k.kicks++;
		break;
	case VHOST_SET_VRING_ERR:
		k.gave_up = f->fd;
		break;
	case VHOST_GET_VRING_BASE:
		((struct vhost_vring_state *)arg)->num = 0x10000 + 100 * (1 + ((struct vhost_vring_state *)arg)->index);
		break;
	case VHOST_SET_VRING_CALL:
		k.call = f->fd;
		k.calls++;
		break;
	case VHOST_NET_SET_BACKEND:
		k.backend = f->fd;
		break;
	case VHOST_VSOCK_SET_GUEST_CID:
		k.cid = *(u64 *)arg;
		break;
	case VHOST_VSOCK_SET_RUNNING:
		k.running = *(int *)arg;
		break;
	}
}

int __wrap_ioctl(int fd, unsigned long req, ...)
{
	void *arg = IOCTL_ARG(req);

	if (req == k.fail_req) {
		errno = k.fail_err;
		return -1;
	}
	note(req, arg);
	return 0;
}

#define ALL (BIT(VIRTIO_F_VERSION_1) | BIT(VIRTIO_F_INDIRECT_DESC) | BIT(VIRTIO_F_EVENT_IDX))

static struct drv d;
static struct virtio_dev *vd;
static struct vhost vh;
static struct vhost_ring ring;

static void find(struct pci_fn *fn, void *arg)
{
	if (virtio_from_fn(fn))
		vd = virtio_from_fn(fn);
}

/* An entropy device lends its queue. */
static int setup(void **state)
{
	log_set_level(LOG_ERROR);
	memset(&k, 0, sizeof(k));
	k.features = ALL;
	k.call = k.kick = k.gave_up = -1;
	drv_open(&d);
	assert_int_equal(virtio_rng_create(&d.ctx), 0);
	drv_attach(&d);
	pci_for_each(d.pci, find, NULL);
	assert_int_equal(vhost_open("/dev/null", &vh), 0);
	assert_int_equal(vhost_ring_init(&ring, &vh, 0, &vd->q[0]), 0);
	drv_start(&d, 1, 64);
	return 0;
}

static int teardown(void **state)
{
	vhost_ring_fini(&ring);
	vhost_ring_fini(&ring);
	vhost_close(&vh);
	vhost_close(&vh);
	assert_int_equal(d.live_spans, 0);
	drv_close(&d);
	return 0;
}

static void test_open_without_node_or_features_fails(void **state)
{
	struct vhost v = { .fd = -1 };

	assert_int_equal(vhost_open("/nonexistent/vhost", &v), -ENOENT);
	k.features = BIT(VIRTIO_F_VERSION_1);
	assert_int_equal(vhost_open("/dev/null", &v), -ENOTSUP);
	k.fail_req = VHOST_SET_OWNER;
	k.fail_err = EBUSY;
	assert_int_equal(vhost_open("/dev/null", &v), -EBUSY);
	assert_int_equal(v.fd, -1);
}

static void test_setup_cuts_features_and_gives_all_ram(void **state)
{
	assert_int_equal(vhost_setup(&vh, ~0ULL, d.mem), 0);
	assert_int_equal(k.set_features, ALL);
	assert_int_equal(k.regions, 1);
	k.fail_req = VHOST_SET_MEM_TABLE;
	k.fail_err = ENOMEM;
	assert_int_equal(vhost_setup(&vh, ~0ULL, d.mem), -ENOMEM);
}

static void test_ring_start_tells_host_addresses_and_eventfds(void **state)
{
	const struct mem_slot *slot;

	mem_slots(d.mem, &slot);
	assert_int_equal(vhost_ring_start(&ring), 0);
	assert_int_equal(k.num, 64);
	assert_int_equal(k.addr.desc_user_addr, (uintptr_t)slot->hva + DRV_RINGS);
	assert_int_equal(k.addr.used_user_addr, (uintptr_t)slot->hva + DRV_RINGS + 0x8000);
	assert_int_equal(k.kick, vd->q[0].bell_fd);
	assert_int_equal(k.call, vd->q[0].irq.fd);
	assert_true(vd->q[0].irq.attached);
	assert_int_equal(k.gave_up, -1);
	assert_int_equal(d.live_spans, 3);
	vhost_ring_stop(&ring);
	assert_int_equal(k.kick, -1);
	assert_int_equal(k.call, -1);
	assert_int_equal(d.live_spans, 0);
}

static void test_ring_of_a_device_with_iotlb_is_told_as_it_is(void **state)
{
	vh.iova = true;
	vd->q[0].used = DRV_SCATTER + 4090; /* need not be one piece, nor mapped yet */
	assert_int_equal(vhost_ring_start(&ring), 0);
	assert_int_equal(k.addr.desc_user_addr, DRV_RINGS);
	assert_int_equal(k.addr.avail_user_addr, DRV_RINGS + 0x4000);
	assert_int_equal(k.addr.used_user_addr, DRV_SCATTER + 4090);
	assert_int_equal(d.live_spans, 0);
	vhost_ring_stop(&ring);
	vh.iova = false;
}

static void test_ring_tells_where_it_stands_and_who_hears_of_errors(void **state)
{
	u16 next = 0;

	ring.err_fd = 77;
	assert_int_equal(vhost_ring_start(&ring), 0);
	assert_int_equal(k.gave_up, 77);
	assert_int_equal(vhost_ring_next(&ring, &next), 0);
	assert_int_equal(next, 100);
	k.fail_req = VHOST_GET_VRING_BASE;
	k.fail_err = EFAULT;
	assert_int_equal(vhost_ring_next(&ring, &next), -EFAULT);
	k.fail_req = 0;
}

static void test_ring_start_failures_leave_no_span(void **state)
{
	static const unsigned long reqs[] = { VHOST_SET_VRING_NUM, VHOST_SET_VRING_BASE, VHOST_SET_VRING_ADDR, VHOST_SET_VRING_CALL,
					      VHOST_SET_VRING_ERR, VHOST_SET_VRING_KICK };

	ring.err_fd = 77;
	for (unsigned i = 0; i < ARRAY_SIZE(reqs); i++) {
		k.fail_req = reqs[i];
		k.fail_err = EFAULT;
		assert_int_equal(vhost_ring_start(&ring), -EFAULT);
		assert_int_equal(d.live_spans, 0);
	}
	k.fail_req = 0;
	/* Not one piece of host memory, and no memory at all. */
	vd->q[0].avail = DRV_SCATTER + 4090;
	assert_int_equal(vhost_ring_start(&ring), -E2BIG);
	vd->q[0].avail = DRV_RAM;
	assert_int_equal(vhost_ring_start(&ring), -EFAULT);
	assert_int_equal(d.live_spans, 0);
}

/* The queue's irqfd is the transport's: one eventfd, whatever MSI-X does with it. */
static void test_ring_keeps_its_eventfd_through_masks(void **state)
{
	u64 entry = d.bar + VIRTIO_BAR_MSIX + 16;

	assert_int_equal(vhost_ring_start(&ring), 0);
	drv_write(&d, entry + 12, 4, 1);
	drv_write(&d, entry + 12, 4, 0);
	vd->q[0].vector = 0xffff;
	assert_int_equal(k.call, vd->q[0].irq.fd);
	assert_int_equal(k.calls, 1);
}

static void test_stopped_ring_stops_once(void **state)
{
	vhost_ring_stop(&ring);
	assert_int_equal(k.calls, 0);
	assert_int_equal(k.kicks, 0);
}

static void test_backends_pass_their_values(void **state)
{
	assert_int_equal(vhost_net_backend(&vh, 1, 77), 0);
	assert_int_equal(k.backend, 77);
	assert_int_equal(vhost_vsock_set_cid(&vh, 42), 0);
	assert_int_equal(k.cid, 42);
	assert_int_equal(vhost_vsock_run(&vh, true), 0);
	assert_int_equal(k.running, 1);
	k.fail_req = VHOST_VSOCK_SET_GUEST_CID;
	k.fail_err = EADDRINUSE;
	assert_int_equal(vhost_vsock_set_cid(&vh, 42), -EADDRINUSE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open_without_node_or_features_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_setup_cuts_features_and_gives_all_ram, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_start_tells_host_addresses_and_eventfds, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_of_a_device_with_iotlb_is_told_as_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_tells_where_it_stands_and_who_hears_of_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_start_failures_leave_no_span, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ring_keeps_its_eventfd_through_masks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stopped_ring_stops_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_backends_pass_their_values, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
