"""A paho client for one address of the broker, set up but not connected: user, password, TLS."""

from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from ingest.mqtt.receiver import BrokerAddress, Tls


def new_client(address: BrokerAddress, client_id: str, tls: Tls) -> Client:
    """A client of MQTT 5. Raises OSError where a file of `tls` cannot be read."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=MQTTv5)
    if address.username is not None:
        client.username_pw_set(address.username, address.password)
    if address.encrypted:
        client.tls_set_context(tls.context())
    return client
