/* A certificate's outline, in OpenSSL's own templates: all of it but the public key is decoded,
 * which costs ten times the rest (RFC 5280 section 4.1). */
#ifndef FASTGW_OUTLINE_H
#define FASTGW_OUTLINE_H
#include <openssl/asn1t.h>
#include <openssl/x509.h>

typedef struct {
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *bits; /* the key as it stands there */
} OutlineKey;

typedef struct {
    ASN1_INTEGER *version;
    ASN1_INTEGER *serial;
    X509_ALGOR *signature;
    X509_NAME *issuer;
    X509_VAL *validity;
    X509_NAME *subject;
    OutlineKey *key;
    ASN1_BIT_STRING *issuer_uid;
    ASN1_BIT_STRING *subject_uid;
    STACK_OF(X509_EXTENSION) *extensions;
} OutlineFacts;

typedef struct {
    OutlineFacts *facts;
    X509_ALGOR *algorithm;
    ASN1_BIT_STRING *signature;
} Outline;

ASN1_SEQUENCE(OutlineKey) = {
    ASN1_SIMPLE(OutlineKey, algorithm, X509_ALGOR),
    ASN1_SIMPLE(OutlineKey, bits, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(OutlineKey)

ASN1_SEQUENCE(OutlineFacts) = {
    ASN1_EXP_OPT(OutlineFacts, version, ASN1_INTEGER, 0),
    ASN1_SIMPLE(OutlineFacts, serial, ASN1_INTEGER),
    ASN1_SIMPLE(OutlineFacts, signature, X509_ALGOR),
    ASN1_SIMPLE(OutlineFacts, issuer, X509_NAME),
    ASN1_SIMPLE(OutlineFacts, validity, X509_VAL),
    ASN1_SIMPLE(OutlineFacts, subject, X509_NAME),
    ASN1_SIMPLE(OutlineFacts, key, OutlineKey),
    ASN1_IMP_OPT(OutlineFacts, issuer_uid, ASN1_BIT_STRING, 1),
    ASN1_IMP_OPT(OutlineFacts, subject_uid, ASN1_BIT_STRING, 2),
    ASN1_EXP_SEQUENCE_OF_OPT(OutlineFacts, extensions, X509_EXTENSION, 3),
} static_ASN1_SEQUENCE_END(OutlineFacts)

ASN1_SEQUENCE(Outline) = {
    ASN1_SIMPLE(Outline, facts, OutlineFacts),
    ASN1_SIMPLE(Outline, algorithm, X509_ALGOR),
    ASN1_SIMPLE(Outline, signature, ASN1_BIT_STRING),
} static_ASN1_SEQUENCE_END(Outline)

static inline Outline *outline_read(const unsigned char *der, long n) {
    return (Outline *)ASN1_item_d2i(NULL, &der, n, ASN1_ITEM_rptr(Outline));
}

static inline void outline_free(Outline *o) {
    ASN1_item_free((ASN1_VALUE *)o, ASN1_ITEM_rptr(Outline));
}

/* The algorithm of the key, as a NID. */
static inline int outline_kind(const Outline *o) {
    return OBJ_obj2nid(o->facts->key->algorithm->algorithm);
}
#endif
