/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AMD I/O Virtualization Technology (IOMMU) specification, 48882 revision 3.10: registers (3.4), PCI capability (3.2), device table entries
 * (2.2.2), commands (2.4), event log (2.5). Names and bits only.
 */
#ifndef NIDUS_AMDVI_REGS_H
#define NIDUS_AMDVI_REGS_H

#include "vmm/bits.h"

/* Without performance counters. */
#define AMDVI_MMIO_LEN 0x4000U

#define AMDVI_DEVTAB 0x0000
#define AMDVI_CMDBASE 0x0008
#define AMDVI_EVTBASE 0x0010
#define AMDVI_CONTROL 0x0018
#define AMDVI_EXCLBASE 0x0020
#define AMDVI_EXCLLIMIT 0x0028
#define AMDVI_EFR 0x0030
#define AMDVI_PPRBASE 0x0038
#define AMDVI_EFR2 0x01a0
#define AMDVI_CMDHEAD 0x2000
#define AMDVI_CMDTAIL 0x2008
#define AMDVI_EVTHEAD 0x2010
#define AMDVI_EVTTAIL 0x2018
#define AMDVI_STATUS 0x2020
#define AMDVI_PPRHEAD 0x2030
#define AMDVI_PPRTAIL 0x2038

/* Bases */
#define BASE_ADDR GENMASK(51, 12)
#define DEVTAB_SIZE GENMASK(8, 0)  /* pages of 4 KiB, less one */
#define RING_LEN GENMASK(59, 56)   /* log2 of the entries, 8 to 15 */
#define RING_LEN_MIN 8
#define RING_OFFSET GENMASK(18, 4) /* head and tail pointers */
#define RING_ENTRY 16

/* Control */
#define CTL_IOMMU_EN BIT(0)
#define CTL_HT_TUN_EN BIT(1)
#define CTL_EVT_LOG_EN BIT(2)
#define CTL_EVT_INT_EN BIT(3)
#define CTL_COM_WAIT_INT_EN BIT(4)
#define CTL_INV_TIMEOUT GENMASK(7, 5)
#define CTL_BUS_ATTRS GENMASK(11, 8) /* PassPW, ResPassPW, Coherent, Isoc */
#define CTL_CMD_BUF_EN BIT(12)
#define CTL_GT_EN BIT(16)
#define CTL_GA_EN BIT(17)

/* Status */
#define STS_EVT_OVERFLOW BIT(0)
#define STS_EVT_INT BIT(1)
#define STS_COM_WAIT_INT BIT(2)
#define STS_EVT_RUN BIT(3)
#define STS_CMD_RUN BIT(4)

/* Extended features */
#define EFR_GTSUP BIT(4)
#define EFR_IASUP BIT(6)
#define EFR_GASUP BIT(7)
#define EFR_HATS GENMASK(11, 10)
#define EFR_GATS GENMASK(13, 12)
#define EFR_GLXSUP GENMASK(15, 14)
#define EFR_PASMAX GENMASK(36, 32)
#define EFR_GIOSUP BIT(48)
#define EFR2_GCR3_TRP_MODE BIT(3)

/* PCI capability */
#define AMDVI_CAP_ID 0x0f
#define AMDVI_CAP_LEN 0x18
#define CAP_TYPE_REV (3 << 0 | 1 << 3) /* type 011b, revision 1: bits 23:16 of the header */
#define CAP_EFRSUP BIT(27)
#define CAP_EXT BIT(28)
#define CAP_BASE_ENABLE BIT(0)

/* Device table entries: 32 bytes at DEVTAB + 32 * requester id */
#define DTE_LEN 32
#define DTE_V BIT(0)
#define DTE_TV BIT(1)
#define DTE_MODE GENMASK(11, 9)
#define DTE_HOST_ROOT GENMASK(51, 12)
#define DTE_PPR BIT(52)
#define DTE_GPRP BIT(53)
#define DTE_GIOV BIT(54)
#define DTE_GV BIT(55)
#define DTE_GLX GENMASK(57, 56)
#define DTE_GCR3_14_12 GENMASK(60, 58)
#define DTE_IR BIT(61)
#define DTE_IW BIT(62)
#define DTE_RSVD (GENMASK(6, 2) | BIT(63))
#define DTE1_DOMID GENMASK(15, 0)
#define DTE1_GCR3_30_15 GENMASK(31, 16)
#define DTE1_SA BIT(34)
#define DTE1_IOCTL GENMASK(36, 35)
#define DTE1_GCR3_51_31 GENMASK(63, 43)
#define DTE2_GPM GENMASK(55, 54)
#define DTE2_INTCTL GENMASK(61, 60)
#define DTE2_RSVD GENMASK(53, 52)
#define DTE3_RSVD (GENMASK(14, 0) | GENMASK(52, 48))

/* GCR3 tables: 512 entries of 8 bytes a level */
#define GCR3_V BIT(0)
#define GCR3_ADDR GENMASK(51, 12)

/* Commands, as two quadwords */
#define CMD_OP GENMASK(63, 60)
#define CMD_COMPLETION_WAIT 1
#define CMD_INV_DEVTAB 2
#define CMD_INV_PAGES 3
#define CMD_INV_IOTLB 4
#define CMD_INV_INTR 5
#define CMD_PREFETCH 6
#define CMD_COMPLETE_PPR 7
#define CMD_INV_ALL 8
#define CMD_WAIT_S BIT(0)
#define CMD_WAIT_I BIT(1)
#define CMD_WAIT_F BIT(2)
#define CMD_WAIT_ADDR GENMASK(51, 3)
#define CMD_SID GENMASK(15, 0)
#define CMD_PASID GENMASK(19, 0)
#define CMD_DOMID GENMASK(47, 32)
#define CMD1_S BIT(0)
#define CMD1_PDE BIT(1)
#define CMD1_GN BIT(2)
#define CMD1_TYPE GENMASK(5, 4)
#define CMD1_ADDR GENMASK(63, 12)

/* Events, as two quadwords: the second is an address */
#define EVT_CODE GENMASK(63, 60)
#define EVT_ILLEGAL_DTE 1
#define EVT_IO_PAGE_FAULT 2
#define EVT_DEVTAB_HW_ERROR 3
#define EVT_PAGETAB_HW_ERROR 4
#define EVT_ILLEGAL_CMD 5
#define EVT_CMD_HW_ERROR 6
#define EVT_INVALID_REQUEST 8
#define EVT_SID GENMASK(15, 0)
#define EVT_PASID_HI GENMASK(19, 16)
#define EVT_PASID_LO GENMASK(47, 32)
#define EVT_GN BIT(48)
#define EVT_US BIT(50)
#define EVT_PR BIT(52)
#define EVT_RW BIT(53)
#define EVT_PE BIT(54)
#define EVT_RZ BIT(55)
#define EVT_HW_TYPE GENMASK(58, 57)
#define HW_MASTER_ABORT 1

#endif
