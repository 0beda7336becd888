/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device for tests: does one DMA when told to, at any I/O virtual address and PASID, and can hold a span. PCI id 1b36:00ff, which is
 * assigned to nothing.
 *
 * BAR 0 (16 KiB, 32-bit), little endian; registers take aligned accesses of 4 bytes, or 8 as two of them; others read 0 and write nothing:
 *   0x0000 ID      RO  "NTD1"
 *   0x0008 IOVA    RW  8 bytes
 *   0x0010 PASID   RW  bits 19:0 PASID, bit 31 valid; otherwise the request has none
 *   0x0014 LEN     RW  1..4096
 *   0x0018 CMD     WO  TESTDEV_CMD_*; done when the write returns, then vector 0 is raised
 *   0x001c STATUS  RO  TESTDEV_STATUS_* of the last command
 *   0x0020 COUNT   RO  commands done
 *   0x0024 HELD    RO  1: a span is live
 *   0x1000 buffer  RW  4096 bytes, any access
 *   0x2000 MSI-X table (1 vector), 0x3000 PBA
 */
#ifndef NIDUS_TESTDEV_H
#define NIDUS_TESTDEV_H

#include "devices/devices.h"

#define TESTDEV_VENDOR 0x1b36
#define TESTDEV_DEVICE 0x00ff

#define TESTDEV_REG_ID 0x00
#define TESTDEV_REG_IOVA 0x08
#define TESTDEV_REG_PASID 0x10
#define TESTDEV_REG_LEN 0x14
#define TESTDEV_REG_CMD 0x18
#define TESTDEV_REG_STATUS 0x1c
#define TESTDEV_REG_COUNT 0x20
#define TESTDEV_REG_HELD 0x24
#define TESTDEV_BUFFER 0x1000

#define TESTDEV_ID 0x3144544e
#define TESTDEV_PASID_VALID 0x80000000

#define TESTDEV_CMD_READ 1    /* memory to buffer */
#define TESTDEV_CMD_WRITE 2   /* buffer to memory */
#define TESTDEV_CMD_HOLD 3    /* translates for a write and keeps the span */
#define TESTDEV_CMD_RELEASE 4 /* writes the buffer through the span, ends it */

#define TESTDEV_STATUS_NONE 0
#define TESTDEV_STATUS_OK 1
#define TESTDEV_STATUS_FAULT 2 /* not translated, not RAM, or bus mastering is off */
#define TESTDEV_STATUS_BAD 3   /* unknown command, LEN, HOLD while holding, RELEASE without */

/* Plugs one in at the first free device number from dev on; more than one is fine. 0 or -errno. */
int testdev_create(const struct dev_ctx *ctx, unsigned dev, bool viommu) __must_check;

#endif
