#include "textflag.h"

// Z0 holds the sums so far of a lane's gradients, Z5 the bin, Z1 … Z4 the best edge:
// num, den, sums, bin. Z15 and Z19 are the second word's sums, so far and best.
#define BEGIN \
	MOVQ 0(DI), SI \
	MOVQ 8(DI), CX \
	VPBROADCASTQ 16(DI), Z16 \ // least rows
	VPBROADCASTQ 24(DI), Z17 \ // most rows
	VPBROADCASTQ 32(DI), Z18 \ // mask
	MOVQ 40(DI), X9 \ // shift
	VBROADCASTSD 48(DI), Z20 \ // l2
	VBROADCASTSD 56(DI), Z21 \ // whole
	VBROADCASTSD 64(DI), Z22 \ // mean
	VMOVDQU64 72(DI), Z0 \
	VPXORQ Z1, Z1, Z1 \
	MOVQ $0x3FF0000000000000, AX \
	VPBROADCASTQ AX, Z2 \ // 1.0
	VPXORQ Z3, Z3, Z3 \
	VPXORQ Z4, Z4, Z4 \
	VPXORQ Z5, Z5, Z5 \
	MOVQ $1, AX \
	VPBROADCASTQ AX, Z6

// COMPARE takes the hessian in Z8, the gradient in Z10, and in K2 the lanes whose
// sides are large enough; K3 are those whose edge is the best so far.
#define COMPARE \
	VCVTQQ2PD Z8, Z8 \
	VADDPD Z20, Z8, Z8 \ // a = hessian + l2
	VCVTQQ2PD Z10, Z10 \
	VMULPD Z22, Z8, Z11 \
	VSUBPD Z11, Z10, Z10 \ // d = gradient − mean·a
	VMULPD Z10, Z10, Z10 \ // num = d²
	VSUBPD Z8, Z21, Z12 \
	VMULPD Z8, Z12, Z12 \ // den = a·(whole − a)
	VMULPD Z10, Z2, Z13 \
	VMULPD Z12, Z1, Z14 \
	VCMPPD $30, Z14, Z13, K2, K3 \ // num·best den > best num·den
	VMOVAPD Z10, K3, Z1 \
	VMOVAPD Z12, K3, Z2 \
	VMOVDQA64 Z0, K3, Z3 \
	VMOVDQA64 Z5, K3, Z4

// func scanNarrowAVX512(s *laneScan)
TEXT ·scanNarrowAVX512(SB), NOSPLIT, $0-8
	MOVQ s+0(FP), DI
	BEGIN

narrow:
	DECQ CX
	JLE narrowDone
	ADDQ $64, SI
	VPADDQ (SI), Z0, Z0
	VPADDQ Z6, Z5, Z5
	VPANDQ Z18, Z0, Z8          // rows, each with a hessian of 1
	VPSRAQ X9, Z0, Z10
	VPCMPQ $5, Z16, Z8, K1      // n ≥ least
	VPCMPQ $2, Z17, Z8, K1, K2  // and n ≤ most
	COMPARE
	JMP narrow

narrowDone:
	VMOVDQU64 Z3, 136(DI)
	VMOVDQU64 Z4, 200(DI)
	VZEROUPPER
	RET

// func scanWideAVX512(s *laneScan)
TEXT ·scanWideAVX512(SB), NOSPLIT, $0-8
	MOVQ s+0(FP), DI
	BEGIN
	VPBROADCASTQ 264(DI), Z23   // least hessian
	VPBROADCASTQ 272(DI), Z24   // most hessian
	VMOVDQU64 280(DI), Z15
	VPXORQ Z19, Z19, Z19

wide:
	DECQ CX
	JLE wideDone
	ADDQ $128, SI
	VMOVDQU64 (SI), Z10
	VMOVDQU64 64(SI), Z11
	VPUNPCKLQDQ Z11, Z10, Z12   // the first words of columns 0, 4, 1, 5 …
	VPUNPCKHQDQ Z11, Z10, Z13   // the second ones
	VPADDQ Z12, Z0, Z0
	VPADDQ Z13, Z15, Z15
	VPADDQ Z6, Z5, Z5
	VPANDQ Z18, Z15, Z7         // rows
	VPSRAQ X9, Z15, Z8
	VMOVDQA64 Z0, Z10
	VPCMPQ $5, Z16, Z7, K1      // n ≥ least
	VPCMPQ $2, Z17, Z7, K1, K2  // and n ≤ most
	VPCMPQ $5, Z23, Z8, K2, K1
	VPCMPQ $2, Z24, Z8, K1, K2
	COMPARE
	VMOVDQA64 Z15, K3, Z19
	JMP wide

wideDone:
	VMOVDQU64 Z3, 136(DI)
	VMOVDQU64 Z4, 200(DI)
	VMOVDQU64 Z19, 344(DI)
	VZEROUPPER
	RET
