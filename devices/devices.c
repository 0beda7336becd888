/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/devices.h"
#include "devices/testdev.h"
#include "vmm/config.h"
#include "vmm/log.h"

static int disks(const struct dev_ctx *ctx, const struct vm_config *c)
{
	for (unsigned i = 0; i < c->n_disks; i++) {
		int status = virtio_blk_create(ctx, &c->disks[i]);

		if (status)
			return status;
	}
	return 0;
}

static int nets(const struct dev_ctx *ctx, const struct vm_config *c)
{
	for (unsigned i = 0; i < c->n_nets; i++) {
		int status = virtio_net_create(ctx, &c->nets[i]);

		if (status)
			return status;
	}
	return 0;
}

static int vsock(const struct dev_ctx *ctx, const struct vm_config *c)
{
	return c->vsock ? virtio_vsock_create(ctx, c) : 0;
}

static int balloon(const struct dev_ctx *ctx, const struct vm_config *c)
{
	return c->balloon ? virtio_balloon_create(ctx, c) : 0;
}

static int console(const struct dev_ctx *ctx, const struct vm_config *c)
{
	return c->console.hvc ? virtio_console_create(ctx) : 0;
}

static int rng(const struct dev_ctx *ctx, const struct vm_config *c)
{
	return c->rng ? virtio_rng_create(ctx) : 0;
}

static int pvpanic(const struct dev_ctx *ctx, const struct vm_config *c)
{
	return pvpanic_create(ctx);
}

/* Two, so that a test can see what one must not do to the other. */
static int testdev(const struct dev_ctx *ctx, const struct vm_config *c)
{
	for (unsigned i = 0; c->testdev && i < 2; i++) {
		int err = testdev_create(ctx, PCI_DEV_VIRTIO, c->viommu != VIOMMU_OFF);

		if (err) {
			log_error("--testdev: %s", strerror(-err));
			return EXIT_HOST;
		}
	}
	return 0;
}

/* The order is the guest's: virtio functions get their places on bus 0 by it. */
static int (*const table[])(const struct dev_ctx *ctx, const struct vm_config *c) = {
	disks, nets, rng, vsock, balloon, console, pvpanic, testdev,
};

int devices_create(const struct dev_ctx *ctx, const struct vm_config *c)
{
	for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
		int status = table[i](ctx, c);

		if (status)
			return status;
	}
	return 0;
}
