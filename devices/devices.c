/* SPDX-License-Identifier: Apache-2.0 */
#include "devices/devices.h"
#include "vmm/config.h"

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

/* The order is the guest's: virtio functions get their places on bus 0 by it. */
static int (*const table[])(const struct dev_ctx *ctx, const struct vm_config *c) = {
	disks, nets, rng, vsock, balloon, console, pvpanic,
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
