/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-vsock: configuration, queues and packets (virtio 1.2 sections 5.10.2, 5.10.4 and 5.10.6). */
#ifndef NIDUS_VSOCK_REGS_H
#define NIDUS_VSOCK_REGS_H

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

#endif
