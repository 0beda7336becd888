/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2 section 5.10): what its two ways have in common. virtio_vsock.c leaves the packets to the host's kernel (vhost-vsock);
 * vsock_uds.c turns connections into those of Unix sockets.
 */
#ifndef NIDUS_VSOCK_H
#define NIDUS_VSOCK_H

#include "devices/virtio.h"

#define VSOCK_TYPE 19
#define VSOCK_CLASS_REV (0x078000 << 8)
#define VSOCK_CFG_LEN 8
#define VSOCK_Q_RX 0
#define VSOCK_Q_TX 1
#define VSOCK_Q_EVENT 2
#define VSOCK_QUEUES 3

#define VSOCK_HOST_CID 2

/* Packet header, 5.10.6 */
#define VSOCK_HDR_LEN 44
#define VSOCK_HDR_SRC_CID 0
#define VSOCK_HDR_DST_CID 8
#define VSOCK_HDR_SRC_PORT 16
#define VSOCK_HDR_DST_PORT 20
#define VSOCK_HDR_DATA_LEN 24
#define VSOCK_HDR_TYPE 28
#define   VSOCK_TYPE_STREAM 1
#define VSOCK_HDR_OP 30
#define   VSOCK_OP_REQUEST 1
#define   VSOCK_OP_RESPONSE 2
#define   VSOCK_OP_RST 3
#define   VSOCK_OP_SHUTDOWN 4
#define   VSOCK_OP_RW 5
#define   VSOCK_OP_CREDIT_UPDATE 6
#define   VSOCK_OP_CREDIT_REQUEST 7
#define VSOCK_HDR_FLAGS 32
#define   VSOCK_SHUT_RCV 1 /* the sender will receive no more */
#define   VSOCK_SHUT_SEND 2
#define VSOCK_HDR_BUF_ALLOC 36
#define VSOCK_HDR_FWD_CNT 40

/* The configuration space: the guest's cid. */
void vsock_cfg_read(u32 cid, unsigned off, unsigned size, u64 *val);

/*
 * Listens on path, and connects a guest's connection to port P to path_P. Who connects to path says "CONNECT port\n" and hears "OK port\n". A socket
 * file left there by a dead process is replaced; the file is removed at the end. 0 or an exit status after log_error.
 */
int vsock_uds_create(const struct dev_ctx *ctx, u32 cid, const char *path) __must_check;

#endif
