#include "textflag.h"

// DI is the group's histogram, SI the records, DX a record's bytes, BX the
// group, R12 the next row number and R13 the end, R14 the last one that is there
// to look ahead to, R11 whether the group has four columns at most.
#define AHEAD 32

// The record of the row AHEAD rows on is fetched, its first and its last byte;
// this row's comes to AX, its eight bins to R8.
#define RECORD \
	LEAQ (4*AHEAD)(R12), R10 \
	CMPQ R10, R14 \
	CMOVQGT R14, R10 \
	MOVLQSX (R10), AX \
	IMULQ DX, AX \
	PREFETCHT0 (SI)(AX*1) \
	ADDQ DX, AX \
	PREFETCHT0 -1(SI)(AX*1) \
	MOVLQSX (R12), AX \
	ADDQ $4, R12 \
	IMULQ DX, AX \
	ADDQ SI, AX \
	MOVQ (AX)(BX*8), R8

// One word, CX, goes to column K: 64 bytes a bin, 8 a column.
#define ONE(K) \
	MOVBLZX R8, R9 \
	SHRQ $8, R8 \
	SHLQ $6, R9 \
	ADDQ CX, (8*K)(DI)(R9*1)

// Two words, X0, go to column K: 128 bytes a bin, 16 a column.
#define TWO(K) \
	MOVBLZX R8, R9 \
	SHRQ $8, R8 \
	SHLQ $7, R9 \
	MOVOU (16*K)(DI)(R9*1), X1 \
	PADDQ X0, X1 \
	MOVOU X1, (16*K)(DI)(R9*1)

// func addAhead(h *int64, records []uint64, stride, group int, rows []int32, few, wide bool)
TEXT ·addAhead(SB), NOSPLIT, $0-74
	MOVQ h+0(FP), DI
	MOVQ records_base+8(FP), SI
	MOVQ stride+32(FP), DX
	SHLQ $3, DX
	MOVQ group+40(FP), BX
	MOVQ rows_base+48(FP), R12
	MOVQ rows_len+56(FP), R13
	LEAQ (R12)(R13*4), R13
	MOVQ rows_cap+64(FP), R14
	LEAQ -4(R12)(R14*4), R14
	MOVBLZX few+72(FP), R11
	MOVBLZX wide+73(FP), AX
	TESTQ AX, AX
	JNE two

one:
	CMPQ R12, R13
	JGE done
	RECORD
	MOVQ -8(AX)(DX*1), CX
	ONE(0)
	ONE(1)
	ONE(2)
	ONE(3)
	TESTQ R11, R11
	JNE one
	ONE(4)
	ONE(5)
	ONE(6)
	ONE(7)
	JMP one

two:
	CMPQ R12, R13
	JGE done
	RECORD
	MOVOU -16(AX)(DX*1), X0
	TWO(0)
	TWO(1)
	TWO(2)
	TWO(3)
	TESTQ R11, R11
	JNE two
	TWO(4)
	TWO(5)
	TWO(6)
	TWO(7)
	JMP two

done:
	RET
