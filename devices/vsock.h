/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2 section 5.10): what its two ways have in common. virtio_vsock.c leaves the packets to the host's kernel (vhost-vsock);
 * vsock_uds.c turns connections into those of Unix sockets.
 */
#ifndef NIDUS_VSOCK_H
#define NIDUS_VSOCK_H

#include "devices/virtio.h"
#include "devices/vsock_regs.h"

#define VSOCK_TYPE 19
#define VSOCK_CLASS_REV (0x078000 << 8)

/* The configuration space: the guest's cid. */
void vsock_cfg_read(u32 cid, unsigned off, unsigned size, u64 *val);

/*
 * Listens on path, and connects a guest's connection to port P to path_P. Who connects to path says "CONNECT port\n" and hears "OK port\n". A socket
 * file left there by a dead process is replaced; the file is removed at the end. 0 or an exit status after log_error.
 */
int vsock_uds_create(const struct dev_ctx *ctx, u32 cid, const char *path) __must_check;

#endif
