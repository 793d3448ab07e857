/* Outlines in OpenSSL's own templates. Of a certificate all but the public key is decoded, which
 * costs ten times the rest (RFC 5280 section 4.1); of a private key its parts, not their numbers. */
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

/* A private key of EC (RFC 5915 section 3). */
typedef struct {
    ASN1_INTEGER *version;
    ASN1_OCTET_STRING *scalar;
    ASN1_TYPE *parameters;
    ASN1_BIT_STRING *point; /* or NULL */
} OutlineEc;

ASN1_SEQUENCE(OutlineEc) = {
    ASN1_SIMPLE(OutlineEc, version, ASN1_INTEGER),
    ASN1_SIMPLE(OutlineEc, scalar, ASN1_OCTET_STRING),
    ASN1_EXP_OPT(OutlineEc, parameters, ASN1_ANY, 0),
    ASN1_EXP_OPT(OutlineEc, point, ASN1_BIT_STRING, 1),
} static_ASN1_SEQUENCE_END(OutlineEc)

static inline Outline *outline_read(const unsigned char *der, long n) {
    return (Outline *)ASN1_item_d2i(NULL, &der, n, ASN1_ITEM_rptr(Outline));
}

static inline void outline_free(Outline *o) {
    ASN1_item_free((ASN1_VALUE *)o, ASN1_ITEM_rptr(Outline));
}

static inline OutlineEc *outline_ec_read(const unsigned char *der, long n) {
    return (OutlineEc *)ASN1_item_d2i(NULL, &der, n, ASN1_ITEM_rptr(OutlineEc));
}

static inline void outline_ec_free(OutlineEc *ec) {
    if (ec != NULL && ec->scalar != NULL && ec->scalar->data != NULL)
        OPENSSL_cleanse(ec->scalar->data, (size_t)ec->scalar->length);
    ASN1_item_free((ASN1_VALUE *)ec, ASN1_ITEM_rptr(OutlineEc));
}

/* The curve that an algorithm names, as a NID; 0 = it names none. */
static inline int outline_curve(const X509_ALGOR *algorithm) {
    const void *value = NULL;
    int type = 0;
    X509_ALGOR_get0(NULL, &type, &value, algorithm);
    return type == V_ASN1_OBJECT ? OBJ_obj2nid((const ASN1_OBJECT *)value) : 0;
}

/* The algorithm of the key, as a NID. */
static inline int outline_kind(const Outline *o) {
    return OBJ_obj2nid(o->facts->key->algorithm->algorithm);
}
#endif
