/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intel Virtualization Technology for Directed I/O, revision 4.1: registers (chapter 11), in-memory structures (chapter 9), invalidation
 * descriptors (6.5.2), fault reasons (7.1.3). Names and bits only.
 */
#ifndef NIDUS_VTD_REGS_H
#define NIDUS_VTD_REGS_H

#include "vmm/bits.h"

#define VTD_PAGE_LEN 0x1000U
#define VTD_NUM_FRCD 8

/* Offsets of what other files (tests, guests) name. */
#define VTD_VER 0x000
#define VTD_CAP 0x008
#define VTD_ECAP 0x010
#define VTD_GCMD 0x018
#define VTD_GSTS 0x01c
#define VTD_RTADDR 0x020
#define VTD_CCMD 0x028
#define VTD_FSTS 0x034
#define VTD_FECTL 0x038
#define VTD_FEDATA 0x03c
#define VTD_FEADDR 0x040
#define VTD_FEUADDR 0x044
#define VTD_IQH 0x080
#define VTD_IQT 0x088
#define VTD_IQA 0x090
#define VTD_ICS 0x09c
#define VTD_IECTL 0x0a0
#define VTD_IEDATA 0x0a4
#define VTD_IEADDR 0x0a8
#define VTD_IEUADDR 0x0ac
#define VTD_IQER 0x0b0
#define VTD_IRTA 0x0b8
#define VTD_IVA 0x0f0
#define VTD_IOTLB 0x0f8
#define VTD_FRCD 0x220

#define VER_6_0 0x60

/* 11.4.2 CAP */
#define CAP_ND_64K FIELD_PREP(GENMASK(2, 0), 6)
#define CAP_CM BIT(7)
#define CAP_SAGAW GENMASK(12, 8)
#define CAP_MGAW GENMASK(21, 16)
#define CAP_ZLR BIT(22)
#define CAP_FRO GENMASK(33, 24)
#define CAP_NFR GENMASK(47, 40)
#define CAP_DWD BIT(54)
#define CAP_DRD BIT(55)
#define CAP_FS1GP BIT(56)
#define CAP_FS5LP BIT(60)
#define CAP_ESRTPS BIT(63)

/* 11.4.3 ECAP */
#define ECAP_C BIT(0)
#define ECAP_QI BIT(1)
#define ECAP_PT BIT(6)
#define ECAP_SC BIT(7)
#define ECAP_IRO GENMASK(17, 8)
#define ECAP_NEST BIT(26)
#define ECAP_SRS BIT(31)
#define ECAP_PSS GENMASK(39, 35)
#define ECAP_PASID BIT(40)
#define ECAP_SMTS BIT(43)
#define ECAP_SSTS BIT(46)
#define ECAP_FSTS BIT(47)
#define ECAP_SMPWC BIT(48)

/* 11.4.4 GCMD, GSTS */
#define GCMD_TE BIT(31)
#define GCMD_SRTP BIT(30)
#define GCMD_QIE BIT(26)

/* 11.4.5 RTADDR */
#define RTADDR_TTM GENMASK(11, 10)
#define RTADDR_RTA GENMASK(63, 12)
#define TTM_LEGACY 0
#define TTM_SCALABLE 1

/* 11.4.7.1 CCMD, 11.4.8.1 IOTLB: register-based invalidation, answered by an error */
#define CCMD_ICC BIT(63)
#define IOTLB_IVT BIT(63)

/* 11.4.9 fault event registers; IECTL is laid out like FECTL */
#define FSTS_PFO BIT(0)
#define FSTS_PPF BIT(1)
#define FSTS_IQE BIT(4)
#define FSTS_ICE BIT(5)
#define FSTS_ITE BIT(6)
#define FSTS_FRI GENMASK(15, 8)
#define FECTL_IM BIT(31)
#define FECTL_IP BIT(30)
#define ICS_IWC BIT(0)

/* FRCD, 11.4.9.6 */
#define FRCD_HI_SID GENMASK(15, 0)
#define FRCD_HI_PP BIT(31)
#define FRCD_HI_REASON GENMASK(39, 32)
#define FRCD_HI_PASID GENMASK(59, 40)
#define FRCD_HI_T1 BIT(62)
#define FRCD_HI_F BIT(63)

/* Queued invalidation, 11.4.9.8-11 */
#define IQ_OFFSET GENMASK(18, 4)
#define IQA_IQA GENMASK(63, 12)
#define IQA_DW BIT(11)
#define IQA_QS GENMASK(2, 0)
#define IQER_IQEI GENMASK(3, 0)
#define IQEI_TAIL 1
#define IQEI_FETCH 2
#define IQEI_TYPE 3
#define IQEI_RSVD 4
#define IQEI_WIDTH 5
#define IQEI_TAIL_ALIGN 6
#define IQEI_TTM 7

/* 6.5.2 descriptors */
#define QI_TYPE_LO GENMASK(3, 0)
#define QI_TYPE_HI GENMASK(11, 9)
#define QI_CC 1
#define QI_IOTLB 2
#define QI_DEVTLB 3
#define QI_IEC 4
#define QI_WAIT 5
#define QI_PIOTLB 6
#define QI_PC 7
#define QI_PDEVTLB 8
#define QI_PGRP 9
#define QI_G GENMASK(5, 4)
#define QI_DID GENMASK(31, 16)
#define QI_CC_SID GENMASK(47, 32)
#define QI_CC_FM GENMASK(49, 48)
#define QI_PASID GENMASK(51, 32)
#define QI_ADDR GENMASK(63, 12)
#define QI_AM GENMASK(5, 0)
#define QI_IH BIT(6)
#define QI_WAIT_IF BIT(4)
#define QI_WAIT_SW BIT(5)
#define QI_WAIT_FN BIT(6)
#define QI_WAIT_DATA GENMASK(63, 32)
#define QI_WAIT_ADDR GENMASK(63, 2)

/* 9.1-9.6 root, context, PASID directory and PASID table entries */
#define ENTRY_P BIT(0)
#define ENTRY_FPD BIT(1)
#define ENTRY_PTR GENMASK(63, 12)
#define CTX_DTE BIT(2)
#define CTX_PASIDE BIT(3)
#define CTX_PRE BIT(4)
#define CTX_PDTS GENMASK(11, 9)
#define CTX1_RID_PASID GENMASK(19, 0)
#define CTX1_RID_PRIV BIT(20)
#define PE_AW GENMASK(4, 2)
#define PE_PGTT GENMASK(8, 6)
#define PE_SSADE BIT(9)
#define PGTT_FIRST 1
#define PGTT_PASS 4
#define PE1_DID GENMASK(15, 0)
#define PE1_PWSNP BIT(23)
#define PE1_PGSNP BIT(24)
#define PE1_CD BIT(25)
#define PE1_MTS (GENMASK(31, 26) | GENMASK(63, 32))
#define PE2_SRE BIT(0)
#define PE2_ERE BIT(1)
#define PE2_FSPM GENMASK(3, 2)
#define PE2_WPE BIT(4)
#define PE2_NXE BIT(5)
#define PE2_SMEP BIT(6)
#define PE2_EAFE BIT(7)

/* 7.1.3 fault reasons */
#define FR_LEGACY_INVALID 0x03
#define FR_TTM 0x30
#define FR_LEGACY_PASID 0x31
#define FR_ROOT_ACCESS 0x38
#define FR_ROOT_P 0x39
#define FR_ROOT_RSVD 0x3a
#define FR_CTX_ACCESS 0x40
#define FR_CTX_P 0x41
#define FR_CTX_RSVD 0x42
#define FR_PASID_DISABLED 0x45
#define FR_PASID_RANGE 0x46
#define FR_DIR_ACCESS 0x50
#define FR_DIR_P 0x51
#define FR_DIR_RSVD 0x52
#define FR_PE_ACCESS 0x58
#define FR_PE_P 0x59
#define FR_PE_RSVD 0x5a
#define FR_PE_INVALID 0x5b
#define FR_FS_ACCESS 0x70
#define FR_FS_P 0x71
#define FR_FS_RSVD 0x72
#define FR_FS_ROOT_ACCESS 0x73
#define FR_NOT_CANONICAL 0x80
#define FR_FS_US 0x81
#define FR_FS_WRITE 0x85
#define FR_MSI_RANGE 0x87
#define FR_AD 0x91

#endif
