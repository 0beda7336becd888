/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-vsock by the host's vhost-vsock: the kernel serves receive and transmit queue; the event queue has nothing to tell. */
#include <errno.h>
#include <stdlib.h>

#include "devices/vhost.h"
#include "devices/vsock.h"
#include "vmm/config.h"
#include "vmm/log.h"

#define VHOST_NODE "/dev/vhost-vsock"
#define QUEUE_SIZE 128

struct vsock {
	struct virtio_dev vd; /* first member */
	struct vhost vh;
	struct vhost_ring ring[2];
	u32 cid;
	bool running;
};

static struct vsock *to_vsock(struct virtio_dev *d)
{
	return CONTAINER_OF(d, struct vsock, vd);
}

void vsock_cfg_read(u32 cid, unsigned off, unsigned size, u64 *val)
{
	u8 image[VSOCK_CFG_LEN + 8] = { 0 };

	put_le(image, 8, cid);
	*val = off < VSOCK_CFG_LEN ? get_le(image + off, size) : 0;
}

static void cfg_read(struct virtio_dev *d, unsigned off, unsigned size, u64 *val)
{
	vsock_cfg_read(to_vsock(d)->cid, off, size, val);
}

/* The kernel looks at the rings when it is told to run, so a stop and a start are the same at bus mastering's switch. */
static int run(struct vsock *v, bool on)
{
	int err = vhost_vsock_run(&v->vh, on);

	v->running = on && !err;
	return err;
}

static void stop(struct vsock *v)
{
	(void)run(v, false);
	vhost_ring_stop(&v->ring[0]);
	vhost_ring_stop(&v->ring[1]);
}

static void start(struct virtio_dev *d)
{
	struct vsock *v = to_vsock(d);
	int err = -EINVAL;

	if (d->q[VSOCK_Q_RX].enabled && d->q[VSOCK_Q_TX].enabled)
		err = vhost_setup(&v->vh, d->features, d->ctx->mem);
	for (unsigned i = 0; !err && i < 2; i++)
		err = vhost_ring_start(&v->ring[i]);
	if (!err && pci_bus_master_on(&d->fn))
		err = run(v, true);
	if (!err)
		return;
	stop(v);
	log_guest("vsock: the queues cannot be started: %s", strerror(-err));
	virtio_broken(d, "queues cannot be started");
}

static void notify(struct virtio_dev *d, struct vq *q)
{
}

static void reset(struct virtio_dev *d)
{
	stop(to_vsock(d));
}

static void bus_master(struct virtio_dev *d, bool on)
{
	struct vsock *v = to_vsock(d);

	if (v->ring[0].on && v->running != on && run(v, on))
		virtio_broken(d, "queues cannot be started");
}

static void destroy(struct virtio_dev *d)
{
	struct vsock *v = to_vsock(d);

	if (v->ring[0].on)
		stop(v);
	vhost_ring_fini(&v->ring[0]);
	vhost_ring_fini(&v->ring[1]);
	vhost_close(&v->vh);
	if (d->q)
		virtio_fini(d);
	free(v);
}

static const struct virtio_ops vsock_ops = {
	.cfg_read = cfg_read,
	.start = start,
	.notify = notify,
	.reset = reset,
	.destroy = destroy,
	.bus_master = bus_master,
};

static int fail_vhost(int err)
{
	if (err == -ENOENT || err == -ENODEV || err == -ENXIO)
		log_error("--vsock: this host has no " VHOST_NODE ": modprobe vhost_vsock, or give uds=PATH");
	else if (err == -EACCES || err == -EPERM)
		log_error("--vsock: no permission for " VHOST_NODE ": add this user to its group (kvm), run as root, or give uds=PATH");
	else
		log_error("--vsock: " VHOST_NODE ": %s", strerror(-err));
	return EXIT_HOST;
}

static int init_host(struct vsock *v)
{
	int err = vhost_open(VHOST_NODE, &v->vh);

	if (err)
		return fail_vhost(err);
	err = vhost_vsock_set_cid(&v->vh, v->cid);
	if (err == -EADDRINUSE) {
		log_error("--vsock: cid %u is another VM's: give another", v->cid);
		return EXIT_NOINPUT;
	}
	return err ? fail_vhost(err) : 0;
}

int virtio_vsock_create(const struct dev_ctx *ctx, const struct vm_config *c)
{
	const struct virtio_spec spec = { .type = VSOCK_TYPE, .class_rev = VSOCK_CLASS_REV, .n_queues = VSOCK_QUEUES, .cfg_len = VSOCK_CFG_LEN,
					  .queue_size = QUEUE_SIZE, .n_kernel = 2 };
	struct vsock *v;
	int status, err;

	if (c->vsock_uds && !ctx->offline)
		return vsock_uds_create(ctx, c->vsock_cid, c->vsock_uds);
	v = calloc(1, sizeof(*v));
	if (!v)
		return virtio_init_error("vsock", -ENOMEM);
	v->vh.fd = -1;
	v->cid = c->vsock_cid;
	status = ctx->offline ? 0 : init_host(v);
	if (!status) {
		err = virtio_init(&v->vd, ctx, &vsock_ops, &spec, "vsock");
		for (unsigned i = 0; !err && !ctx->offline && i < 2; i++)
			err = vhost_ring_init(&v->ring[i], &v->vh, i, &v->vd.q[i]);
		if (!err)
			err = virtio_plug(&v->vd);
		status = err ? virtio_init_error("vsock", err) : 0;
	}
	if (status)
		destroy(&v->vd);
	return status;
}
