import com.google.crypto.tink.subtle.AesGcmJce;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.Iterator;
import java.util.Map;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Dataset;
import org.apache.spark.sql.Encoders;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.sql.SparkSession;
import org.apache.spark.sql.types.DataTypes;
import org.apache.spark.sql.types.StructType;

/**
 * The usual way to re-encrypt on Spark: Java, mapPartitions, Tink's AES-GCM, unwrapped keys cached for a
 * partition. Its rows are `usual`, those of the daily batch's jar, which carry the source columns that its merge
 * compares and the wrapped keyset; or `staging`, those of the application in shared keying: a token in place of
 * the source. For the benchmark only; keys are unwrapped by the KEK itself, so that no KMS call is in the
 * comparison.
 */
public final class Usual {
  private static final int KEY_BYTES = 32;

  public static void main(String[] args) {
    SparkSession spark = SparkSession.builder().appName("usual").getOrCreate();
    byte[] kek = Base64.getDecoder().decode(args[2]);
    byte[] keyset = Base64.getDecoder().decode(args[3]);
    boolean staging = args[4].equals("staging");
    StructType schema = schema(staging);
    Dataset<Row> users = spark.read().parquet(args[0]).select("id", "cipher_text", "dek");
    users
        .mapPartitions(new ResealPartition(kek, keyset, staging), Encoders.row(schema))
        .write()
        .mode("overwrite")
        .parquet(args[1]);
    spark.stop();
  }

  private static StructType schema(boolean staging) {
    StructType seed =
        new StructType()
            .add("id", DataTypes.LongType)
            .add("cipher_text", DataTypes.StringType)
            .add("dek", DataTypes.StringType)
            .add("decrypted_email", DataTypes.StringType)
            .add("bq_encryption_key", DataTypes.BinaryType)
            .add("bq_encrypted_email", DataTypes.BinaryType)
            .add("run_id", DataTypes.StringType);
    if (!staging) return seed;
    return seed.add("field", DataTypes.StringType)
        .add("resealed_from", DataTypes.BinaryType)
        .add("reason", DataTypes.StringType)
        .add("dek_fingerprint", DataTypes.StringType);
  }

  /** A class with a name: the compiler that comes with Spark knows no lambdas. */
  private static final class ResealPartition implements MapPartitionsFunction<Row, Row> {
    private final byte[] kek;
    private final byte[] keyset;
    private final boolean staging;

    ResealPartition(byte[] kek, byte[] keyset, boolean staging) {
      this.kek = kek;
      this.keyset = keyset;
      this.staging = staging;
    }

    @Override
    public Iterator<Row> call(Iterator<Row> rows) throws Exception {
      return new Reseal(rows, kek, keyset, staging);
    }
  }

  /** One partition's rows. */
  private static final class Reseal implements Iterator<Row> {
    private final Iterator<Row> rows;
    private final AesGcmJce kek;
    private final AesGcmJce sealer;
    private final MessageDigest sha256;
    private final byte[] prefix;
    private final byte[] wrapped;
    private final boolean staging;
    private final Map<String, AesGcmJce> keys = new HashMap<>();

    Reseal(Iterator<Row> rows, byte[] kek, byte[] keyset, boolean staging) throws Exception {
      this.rows = rows;
      this.staging = staging;
      this.sha256 = MessageDigest.getInstance("SHA-256");
      this.kek = new AesGcmJce(kek);
      this.wrapped = this.kek.encrypt(keyset, new byte[0]);
      // A Keyset that Tink made of one AES-256-GCM key: its material is the last field but three varints.
      int end = keyset.length;
      int start = indexOfKey(keyset);
      this.sealer = new AesGcmJce(Arrays.copyOfRange(keyset, start, Math.min(end, start + KEY_BYTES)));
      this.prefix = new byte[] {1, 0, 0, 0, 1};
    }

    /** AesGcmKey.key_value: tag 0x1a, length 32. */
    private static int indexOfKey(byte[] keyset) {
      for (int at = 0; at + 1 < keyset.length; at++) {
        if (keyset[at] == 0x1a && keyset[at + 1] == KEY_BYTES) return at + 2;
      }
      throw new IllegalArgumentException("no AES-256-GCM key");
    }

    @Override
    public boolean hasNext() {
      return rows.hasNext();
    }

    @Override
    public Row next() {
      Row row = (Row) rows.next();
      try {
        long id = row.getLong(0);
        String dek = row.getString(2);
        AesGcmJce key = (AesGcmJce) keys.get(dek);
        if (key == null) {
          key = new AesGcmJce(kek.decrypt(Base64.getDecoder().decode(dek), new byte[0]));
          keys.put(dek, key);
        }
        String cipherText = row.getString(1);
        byte[] plain = key.decrypt(Base64.getDecoder().decode(cipherText), new byte[0]);
        byte[] aad = Long.toString(id).getBytes(StandardCharsets.UTF_8);
        byte[] sealed = sealer.encrypt(plain, aad);
        byte[] value = Arrays.copyOf(prefix, prefix.length + sealed.length);
        System.arraycopy(sealed, 0, value, prefix.length, sealed.length);
        if (!staging) return RowFactory.create(id, cipherText, dek, null, wrapped, value, "usual");
        byte[] token = sha256.digest((cipherText + '\n' + dek).getBytes(StandardCharsets.UTF_8));
        return RowFactory.create(id, null, null, null, null, value, "usual", "email", token, null, null);
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    }
  }
}
